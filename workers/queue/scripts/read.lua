-- What is known of a job; optionally ask to be told of its end.
--   ARGV  id, notify: the gateway to tell when the job ends, or ''
--   ->    {'FINAL', result}, {'UNKNOWN'}, {'EXPIRED', ...} or {'OPEN', ...} with
--         task, owner, state, created, started, updated, worker, attempts ('' if not there)
return describe(ARGV[1], ARGV[2])
