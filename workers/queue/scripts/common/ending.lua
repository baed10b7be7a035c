-- How an attempt ends, and how a job does.

-- A stored job without its closing brace, ready for more fields; a stand-in for one that is none.
local function open_job(job, task, attempt)
  if not job or job:sub(1, 1) ~= '{' or job:sub(-1) ~= '}' then
    return string.format('{"t":%s,"f":"%s","a":[],"k":{},"et":0', attempt, task)
  end
  return (job:sub(1, -2):gsub('^{"t": ?null,', '{"t":' .. attempt .. ',', 1))
end

-- Write the one final result of a job and drop everything else that is kept of it.
-- `result` is JSON: an object on SUCCESS, else a string; `job` the stored job if it is readable. The
-- caller has made sure that there is no result yet. The place in a concurrency key is its business,
-- for only it knows whether something still runs.
-- The stored JSON ends with ,"z":[offset,length]}: where `result` stands, in bytes, so that a reader
-- takes it as it is and reads only our few fields behind it, however large job and result are.
local function conclude(id, task, job, meta, state, result, ttl, now)
  local attempt = attempts_of(meta)
  local head = open_job(job, task, attempt)
    .. (state == 'SUCCESS' and ',"s":true,"r":' or ',"s":false,"r":')
  local ended = whole(now)
  local stored = head .. result -- one expression, so Lua makes one string
    .. ',"st":' .. (digits(meta.started) or ended)
    .. ',"ft":' .. ended
    .. ',"q":"' .. QUEUE .. task .. '"'
    .. ',"id":' .. cjson.encode(id)
    .. ',"x":"' .. state .. '"'
    .. ',"n":' .. attempt
    .. ',"w":' .. cjson.encode(meta.worker or '')
    .. ',"o":' .. cjson.encode(meta.owner or '')
    .. ',"c":' .. (digits(meta.created) or ended)
    .. ',"z":[' .. #head .. ',' .. #result .. ']}'
  redis.call('SET', RESULT .. id, stored, 'PX', ttl)
  redis.call('DEL', JOB .. id, IN_PROGRESS .. id, META .. id)
  if meta.idempotency then redis.call('PEXPIRE', IDEMPOTENCY .. meta.idempotency, ttl) end
  redis.call('ZREM', QUEUE .. task, id)
  if is_aborted(id) then redis.call('ZREM', ABORT, id) end
  count_end(task, meta.owner, meta.state, state)
  tell_waiting(id, meta.notify, stored)
end

local REVOKED_TEXT = '"revoked"'
local EXPIRED_TEXT = '"expired: the job was not started within 30 days"'

-- The score of a job that goes back into its queue to be run at once: as when it was new, or it would
-- wait for all that came later. Not beyond now, should the clock have been set back.
local function turn_of(meta, now)
  return math.min(tonumber(digits(meta.created)) or now, now)
end

-- Put the job back into its queue, due in `delay` ms, as RETRY, after so many attempts.
local function put_back(id, task, meta, attempts, delay, now)
  count_move(task, meta.owner, meta.state, 'RETRY')
  meta.token, meta.state, meta.updated, meta.attempts = nil, 'RETRY', whole(now), whole(attempts)
  save_meta(id, meta)
  redis.call('DEL', IN_PROGRESS .. id)
  redis.call('ZADD', QUEUE .. task, delay > 0 and now + delay or turn_of(meta, now), id)
end

-- Hand a lost or given away job out again at once; its attempt still counts as one without a word.
local function make_due(id, task, meta, now)
  redis.call('DEL', IN_PROGRESS .. id)
  redis.call('ZADD', QUEUE .. task, turn_of(meta, now), id)
  wake_worker(task)
end
