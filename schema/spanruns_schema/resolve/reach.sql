-- Note up to when every fact has been resolved.
INSERT INTO resolved_until SELECT {until:DateTime64(6)}
