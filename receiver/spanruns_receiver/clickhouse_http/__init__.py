"""ClickHouse's HTTP interface over the embedded store, read-only, so that tools made for a ClickHouse server work without one:
Grafana's plugin, clickhouse-connect, curl, DBeaver.

Every statement passes the gate of `spanruns_schema.gate`. https://clickhouse.com/docs/interfaces/http describes the interface;
`wire.py` tells what the plugin's driver needs beyond that.
"""

from spanruns_receiver.clickhouse_http.app import create_app

__all__ = ["create_app"]
