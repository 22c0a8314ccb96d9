"""The append-only segment log between the doors and the store."""

from spanruns_receiver.spool.dead import DeadLetter, DeadLetters
from spanruns_receiver.spool.log import Spool, SpoolLimits
from spanruns_receiver.spool.plan import Batch, Plan, PlanFile, read_plan
from spanruns_receiver.spool.record import Damage, Record, can_be_alone
from spanruns_receiver.spool.tail import Requests

__all__ = [
    "Batch",
    "Damage",
    "DeadLetter",
    "DeadLetters",
    "Plan",
    "PlanFile",
    "Record",
    "Requests",
    "Spool",
    "SpoolLimits",
    "can_be_alone",
    "read_plan",
]
