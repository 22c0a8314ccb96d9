"""Grafana dashboards as code: plain Python that builds the JSON which Grafana provisions.

`python -m spanruns_grafana` writes `dashboards/*.json`; no panel computes a number of its own, each selects from the views of
`spanruns_schema`.
"""
