"""`POST /api/sql`: a query of one's own, behind the gate."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field
from spanruns_schema import gate
from spanruns_schema.errors import BadInput, StoreError

from spanruns_receiver.api.errors import BadParameter
from spanruns_receiver.api.filters import NoParameters
from spanruns_receiver.api.models import Problem
from spanruns_receiver.api.reader import Reader
from spanruns_receiver.turns import Turns

# Queries of others at a time: they may take as much of the machine as all the rest together.
MAX_QUERIES = 2
MAX_WAIT_S = 10.0
TEXT = "text/plain; charset=utf-8"
MEDIA_TYPES = {"JSON": "application/json", "JSONEachRow": "application/x-ndjson", "CSV": "text/csv; charset=utf-8"}
BINARY = frozenset({"Native", "RowBinary", "Parquet", "Arrow", "ArrowStream", "ORC", "Avro", "MsgPack", "BSONEachRow"})
UNKNOWN_FORMAT = 73


class Question(BaseModel):
    """A query."""

    model_config = ConfigDict(extra="forbid")

    query: Annotated[str, Field(min_length=1, description="One statement that reads: SELECT, EXPLAIN, DESCRIBE, SHOW.")]
    format: Annotated[
        str,
        Field(pattern=r"^[A-Za-z][A-Za-z0-9]*$", max_length=60, description="One of ClickHouse's output formats."),
    ] = "PrettyCompact"


def router() -> APIRouter:
    """The route, with places of its own for its queries."""
    routes = APIRouter(prefix="/api", tags=["sql"], responses={400: {"model": Problem}, 503: {"model": Problem}})
    turns = Turns(MAX_QUERIES, MAX_WAIT_S)

    @routes.post("/sql", response_class=Response)
    def post_sql(request: Request, question: Question, _query: Annotated[NoParameters, Query()]) -> Response:
        """The result of one query that reads, in the format asked for (a FORMAT clause in the query wins)."""
        reader: Reader = request.app.state.reader
        try:
            with turns.take():
                body = gate.answer(reader.store, question.query, format=question.format)
        except StoreError as error:
            raise _explained(error, question.format) from error
        return Response(body, media_type=_media_type(question.format))

    return routes


def _explained(error: StoreError, format: str) -> Exception:
    """The engine has answered: then it is the query that cannot work, not the store that is away."""
    if not error.code:
        return error
    if error.code == UNKNOWN_FORMAT:
        return BadParameter("format", f"ClickHouse has no output format {format}")
    return BadInput(gate.readable(error))


def _media_type(format: str) -> str:
    return "application/octet-stream" if format in BINARY else MEDIA_TYPES.get(format, TEXT)
