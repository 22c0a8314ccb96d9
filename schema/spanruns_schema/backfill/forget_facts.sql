DELETE FROM span_facts
WHERE {at} >= {from:DateTime64(9)} AND {at} < {to:DateTime64(9)} AND {key} IN {keys:Array(UInt64)}
