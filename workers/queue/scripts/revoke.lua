-- Take a job back: it ends as REVOKED at once, whether it waits or runs.
--   ARGV  id, result ttl (ms), owner: whose it has to be, or '' for anybody's
--   ->    {'UNKNOWN'} also if it is somebody else's, or {'FINAL', result} or
--         {'LARGE', bytes} as read.lua: REVOKED by this call, or whatever it had ended as, whosever
--         that is: the result tells. A job that expired unrun ends as FAILURE, as which it was shown
-- A running attempt is told to stop on its worker's channel, and by its next heartbeat should the
-- message be lost; its place in a concurrency key stays taken until it has stopped.
local id, ttl, owner = ARGV[1], ARGV[2], ARGV[3]
local now = clock()

local result = redis.call('GET', RESULT .. id)
if result then return final(result) end

local meta = load_meta(id)
if owner ~= '' and meta.owner ~= owner then return {'UNKNOWN'} end
local task, job = meta.task, stored_job(id)
if not task then -- enqueued by an arq client and not started yet: only the job itself knows
  local read, fields = pcall(cjson.decode, job or '')
  if not read or type(fields) ~= 'table' or type(fields.f) ~= 'string' then return {'UNKNOWN'} end
  task = fields.f
end

if redis.call('EXISTS', JOB .. id) == 1 then
  conclude(id, task, job, meta, 'REVOKED', REVOKED_TEXT, ttl, now)
else
  conclude(id, task, nil, meta, 'FAILURE', EXPIRED_TEXT, ttl, now)
end
closed(nil, now)
if meta.token then
  redis.call('PUBLISH', CANCEL .. meta.worker, id)
elseif meta.key then
  leave_place(id, task, meta.key, now)
end
return final(redis.call('GET', RESULT .. id))
