-- Give a job back that was claimed, to be run again.
--   ARGV  id, task, token, delay (ms), crash limit (0: this is no crash), reason (JSON string),
--         result ttl (ms), concurrency key or '', '0' if it never ran: that was no attempt
--   ->    OK, DUP, FENCED as in finish; DEAD if it crashed once too often and ended as FAILURE,
--         kept as a dead letter
local id, task, token = ARGV[1], ARGV[2], ARGV[3]
local delay, crash_limit, reason, ttl = tonumber(ARGV[4]), tonumber(ARGV[5]), ARGV[6], ARGV[7]
local key, begun = ARGV[8], ARGV[9]
local now = clock()

local function leave()
  if key ~= '' then leave_place(id, task, key, now) end
end

if redis.call('EXISTS', RESULT .. id) == 1 then
  leave()
  return 'DUP'
end
local meta = load_meta(id)
if meta.token ~= token then return 'FENCED' end

if crash_limit > 0 and count_crash(meta) >= crash_limit then
  local job = stored_job(id)
  keep_letter(id, task, job, meta, reason, now, true)
  conclude(id, task, job, meta, 'FAILURE', reason, ttl, now)
  closed(nil, now)
  leave()
  return 'DEAD'
end
put_back(id, task, meta, attempts_of(meta) - (begun == '0' and 1 or 0), delay, now)
closed(nil, now)
leave()
wake_worker(task)
return 'OK'
