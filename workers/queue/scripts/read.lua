-- What is known of jobs.
--   ARGV  id, id ...
--   ->    for each {'FINAL', result}, or {'LARGE', its bytes} of one that is to be fetched by itself;
--         {'UNKNOWN'}; {'EXPIRED', ...} or {'OPEN', ...} with task, owner, state, created, started,
--         updated, worker, attempts ('' if not there)
return for_each(ARGV, 1, describe)
