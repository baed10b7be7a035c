-- What is known of jobs; optionally ask to be told of their ends.
--   ARGV  for each job: id, notify: the gateway to tell when the job ends, or ''
--   ->    for each {'FINAL', result}, {'UNKNOWN'}, {'EXPIRED', ...} or {'OPEN', ...} with
--         task, owner, state, created, started, updated, worker, attempts ('' if not there)
return for_each(2, describe)
