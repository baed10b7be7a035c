-- What the scripts share; put in front of each of them, after the names of keys.py.
--
-- A job's meta hash (META .. id) holds, while it is unfinished:
--   task, state, owner, created, updated   always
--   started, worker                        since its first attempt
--   token                                  while an attempt runs; gone once that attempt gave word
--   crashes                                attempts that ended without a word
--   notify                                 gateways that wait for its end, each followed by a blank
--   key, limit, countdown, expire          its concurrency key, if it has one
--   idempotency                            the name of its idempotency key, if it has one
--
-- Scripts make key names from ids, so this needs one queue server and not a Redis Cluster.

local JOB_LIFETIME = 30 * 24 * 3600 * 1000
local META_LIFETIME = 2 * JOB_LIFETIME -- longer, so that `check` can say that a job expired unrun

local function clock()
  local t = redis.call('TIME')
  return t[1] * 1000 + math.floor(t[2] / 1000)
end

local function whole(number)
  return string.format('%d', number)
end

-- The answers of `act` to every `count` arguments in a row: many calls in one. What goes wrong with
-- one is its own answer, the others are carried out.
local function for_each(count, act)
  local answers = {}
  for i = 1, #ARGV, count do
    local acted, answer = pcall(act, unpack(ARGV, i, i + count - 1))
    if not acted and type(answer) ~= 'table' then answer = {err = tostring(answer)} end
    answers[#answers + 1] = answer
  end
  return answers
end

local META_FIELDS = {
  'task', 'state', 'owner', 'created', 'started', 'updated', 'worker', 'token', 'crashes', 'notify',
  'key', 'limit', 'countdown', 'expire', 'idempotency',
}

-- The meta of a job as a table; fields that are not there are nil. Only `garbled` is there if a
-- foreign client put something else than a hash in its place: that must not stop the others.
local function load_meta(id)
  local values = redis.pcall('HMGET', META .. id, unpack(META_FIELDS))
  if values.err then return {garbled = true} end
  local meta = {}
  for i, field in ipairs(META_FIELDS) do
    meta[field] = values[i] or nil
  end
  return meta
end

-- ---- counting ---------------------------------------------------------------------------------
-- TOTALS only ever grows (final states) or is a gauge (STARTED, RETRY). Windows of time come from
-- snapshots: TOTALS is copied before the first change within each slot of 5 s, 1 min and 15 min,
-- so the jobs ended since T are TOTALS now, less the first snapshot at or after T. That costs one
-- HMGET a count, and a reader four HGETALL, however many results there are.
--
-- The jobs of an owner are counted under the same names with OWNED .. owner behind them, besides:
-- there PENDING is a gauge too, for a queue tells only of everybody's. These names go with
-- META_LIFETIME after the last of his jobs was made or ended. A job that waits is gone by then, and
-- one that still runs takes nothing below zero when it ends.

-- Counting must never cost a job anything: where a foreign client has put something else in place
-- of the counters, they start anew.

local PERIODS = {5, 60, 900}
local KEPT = {[5] = 120, [60] = 3720, [900] = 88200} -- seconds, a bit over 1 min, 1 hour, 1 day

-- The end of the names under which an owner's jobs are counted; nil where there is no owner.
local function counted_for(owner)
  return owner and owner ~= '' and owner ~= NOBODY and OWNED .. owner or nil
end

local looked_at = {} -- whose snapshots: `now` is the same for all that a script does

-- Whether there was anything to do. `whose` is such an end, or '' for everybody's, here and below.
local function snapshot_before_change(whose, now)
  if looked_at[whose] then return false end
  looked_at[whose] = true
  local seen, is_first = redis.call('HMGET', SLOTS .. whose, unpack(PERIODS)), false
  for i, period in ipairs(PERIODS) do
    local slot = whole(math.floor(now / (period * 1000)))
    if seen[i] ~= slot then
      is_first = true
      local name, row = SNAPSHOT .. period .. ':' .. slot .. whose, SNAPSHOTS .. period .. whose
      redis.call('COPY', TOTALS .. whose, name, 'REPLACE')
      redis.call('EXPIRE', name, KEPT[period])
      redis.call('ZADD', row, slot, slot)
      redis.call('ZREMRANGEBYSCORE', row, '-inf', slot - KEPT[period] / period)
      redis.call('HSET', SLOTS .. whose, period, slot)
      if whose ~= '' then
        redis.call('EXPIRE', row, KEPT[period])
        redis.call('PEXPIRE', SLOTS .. whose, META_LIFETIME)
      end
    end
  end
  return is_first
end

local function add(whose, field, number)
  local sum = redis.pcall('HINCRBY', TOTALS .. whose, field, number)
  if type(sum) == 'table' then
    redis.call('DEL', TOTALS .. whose, SLOTS .. whose)
  elseif sum < 0 then -- a gauge that started anew while the job was under way
    redis.call('HDEL', TOTALS .. whose, field)
  end
end

local function count_end(task, owner, state, now)
  pcall(snapshot_before_change, '', now)
  add('', task .. ':' .. state, 1)
  local his = counted_for(owner)
  if not his then return end
  local done, is_first = pcall(snapshot_before_change, his, now)
  add(his, task .. ':' .. state, 1)
  if is_first or not done then redis.call('PEXPIRE', TOTALS .. his, META_LIFETIME) end
end

local GAUGES = {STARTED = true, RETRY = true}
local GAUGES_OF_OWNER = {PENDING = true, STARTED = true, RETRY = true}

local function move(whose, gauges, task, from, to)
  if gauges[from] then add(whose, task .. ':' .. from, -1) end
  if gauges[to] then add(whose, task .. ':' .. to, 1) end
end

local function count_move(task, owner, from, to)
  if from == to then return end
  move('', GAUGES, task, from, to)
  local his = counted_for(owner)
  if his then move(his, GAUGES_OF_OWNER, task, from, to) end
end

local function count_new(task, owner)
  local his = counted_for(owner)
  if not his then return end
  add(his, task .. ':PENDING', 1)
  redis.call('PEXPIRE', TOTALS .. his, META_LIFETIME)
end

-- ---- waking -----------------------------------------------------------------------------------
-- One token is enough: it wakes one idle worker, and a claim that leaves due jobs behind leaves a
-- token behind as well, so the wake-up is passed on until the work or the idle workers run out.

local function wake_worker(task)
  local tokens = redis.pcall('LLEN', WAKE .. task)
  if tokens == 0 then
    redis.call('LPUSH', WAKE .. task, '1')
  elseif type(tokens) == 'table' then -- a foreign client's, and no list
    redis.call('DEL', WAKE .. task)
  end
end

local function tell_waiting(id, notify)
  for gateway in string.gmatch(notify or '', '%S+') do
    redis.call('PUBLISH', DONE .. gateway, id)
  end
end

-- ---- places of a concurrency key --------------------------------------------------------------

local function place_name(task, key)
  return task .. ':' .. key
end

-- Let job `id` hold a place for `span` ms. The whole row goes with its last place, should nobody
-- ever ask for one or give one back again.
local function hold_place(id, task, key, span, now)
  local name = HOLDERS .. place_name(task, key)
  redis.call('ZADD', name, now + span, id)
  if redis.call('PTTL', name) < span then redis.call('PEXPIRE', name, span) end
end

-- Free the place of job `id`, if it holds one, and make the job that waits longest runnable.
local function leave_place(id, task, key, now)
  local name = place_name(task, key)
  redis.call('ZREM', PARKED .. name, id)
  if redis.call('ZREM', HOLDERS .. name, id) == 0 then return end
  local next_id = redis.call('ZPOPMIN', PARKED .. name)[1]
  if next_id then
    redis.call('ZADD', QUEUE .. task, 'XX', now, next_id)
    wake_worker(task)
  end
end

-- How often a job was started so far, as text.
local function attempts_of(id)
  local attempts = redis.pcall('GET', RETRY .. id)
  return type(attempts) == 'string' and attempts:match('^%d+$') or '0'
end

-- The stored job; nil if there is none, or if a foreign client put something else than a string there.
local function stored_job(id)
  local job = redis.pcall('GET', JOB .. id)
  return type(job) == 'string' and job or nil
end

-- ---- beginning --------------------------------------------------------------------------------

-- Store and queue a job that waits for its first attempt. `job` is arq's, as JSON; `created` is now
-- as text; `fields` are more pairs of its meta.
local function store_job(id, task, job, owner, fields, created)
  redis.call('SET', JOB .. id, job, 'PX', JOB_LIFETIME)
  redis.call('HSET', META .. id, 'task', task, 'state', 'PENDING', 'owner', owner,
    'created', created, 'updated', created, unpack(fields))
  redis.call('PEXPIRE', META .. id, META_LIFETIME)
  redis.call('ZADD', QUEUE .. task, created, id)
  count_new(task, owner)
  wake_worker(task)
end

local function exists(id)
  return redis.call('EXISTS', RESULT .. id, META .. id, JOB .. id) > 0
end

-- ---- looking ----------------------------------------------------------------------------------

-- A job as it stands, in the form that read.lua documents. `gateway`, if not '', will be told of its
-- end: reading and asking is one step, so no end can fall between the two.
local function describe(id, gateway)
  local result = redis.call('GET', RESULT .. id)
  if result then return {'FINAL', result} end

  local meta = load_meta(id)
  local has_job = redis.call('EXISTS', JOB .. id) == 1
  if not meta.task and not has_job then return {'UNKNOWN'} end

  local notify = ' ' .. (meta.notify or '')
  if gateway ~= '' and not meta.garbled
      and not string.find(notify, ' ' .. gateway .. ' ', 1, true) then
    -- Not if the server takes no writes for now: who waits looks again by himself.
    redis.pcall('HSET', META .. id, 'notify', (meta.notify or '') .. gateway .. ' ')
  end
  return {
    has_job and 'OPEN' or 'EXPIRED',
    meta.task or '', meta.owner or '', meta.state or 'PENDING', meta.created or '',
    meta.started or '', meta.updated or '', meta.worker or '', attempts_of(id),
  }
end

-- What pcall caught while a job was looked at, as text, if it comes of what somebody else wrote under
-- the job's names, for that will come up each time. Anything else, such as a server that takes no
-- writes, is no reason to end a job and is raised again.
local GARBAGE = {'WRONGTYPE', 'not an integer', 'not a valid', 'attempt to', 'bad argument'}

local function expect_garbage(problem)
  local text = tostring(type(problem) == 'table' and problem.err or problem)
  for _, sign in ipairs(GARBAGE) do
    if string.find(text, sign, 1, true) then return text end
  end
  error({err = text}, 0)
end

-- Whether an arq client asked to abort the job. Seldom are there any: then one look is enough.
local are_any_aborted

local function is_aborted(id)
  if are_any_aborted == nil then are_any_aborted = redis.call('EXISTS', ABORT) == 1 end
  return are_any_aborted and redis.call('ZSCORE', ABORT, id)
end

-- ---- ending -----------------------------------------------------------------------------------

-- The stored job without its closing brace, ready for more fields; a stand-in if it is unreadable.
local function open_job(id, task, attempt, readable)
  local job = readable and stored_job(id)
  if not job or job:sub(1, 1) ~= '{' or job:sub(-1) ~= '}' then
    return string.format('{"t":%s,"f":"%s","a":[],"k":{},"et":0', attempt, task)
  end
  return (job:sub(1, -2):gsub('^{"t": ?null,', '{"t":' .. attempt .. ',', 1))
end

-- Write the one final result of a job and drop everything else that is kept of it.
-- `result` is JSON: an object on SUCCESS, else a string. The caller has made sure that there is
-- no result yet. The place in a concurrency key is the caller's business, for only it knows
-- whether something still runs.
-- The stored JSON ends with ,"z":[offset,length]}: where `result` stands, in bytes, so that a reader
-- takes it as it is and reads only our few fields behind it, however large job and result are.
local function conclude(id, task, meta, state, result, ttl, now, readable)
  local attempt = attempts_of(id)
  local head = open_job(id, task, attempt, readable)
    .. (state == 'SUCCESS' and ',"s":true,"r":' or ',"s":false,"r":')
  redis.call('SET', RESULT .. id, table.concat({
    head, result,
    ',"st":', meta.started or whole(now),
    ',"ft":', whole(now),
    ',"q":"', QUEUE, task, '"',
    ',"id":', cjson.encode(id),
    ',"x":"', state, '"',
    ',"n":', attempt,
    ',"w":', cjson.encode(meta.worker or ''),
    ',"o":', cjson.encode(meta.owner or ''),
    ',"c":', meta.created or whole(now),
    ',"z":[', #head, ',', #result, ']}'}), 'PX', ttl)
  redis.call('DEL', JOB .. id, IN_PROGRESS .. id, RETRY .. id, META .. id)
  if meta.idempotency then redis.call('PEXPIRE', IDEMPOTENCY .. meta.idempotency, ttl) end
  redis.call('ZREM', QUEUE .. task, id)
  if is_aborted(id) then redis.call('ZREM', ABORT, id) end
  count_move(task, meta.owner, meta.state, nil)
  count_end(task, meta.owner, state, now)
  tell_waiting(id, meta.notify)
end

local REVOKED_TEXT = cjson.encode('revoked')

-- Put the job back into its queue, due in `delay` ms, as RETRY.
local function put_back(id, task, meta, delay, now)
  redis.call('HDEL', META .. id, 'token')
  redis.call('HSET', META .. id, 'state', 'RETRY', 'updated', whole(now))
  redis.call('DEL', IN_PROGRESS .. id)
  redis.call('ZADD', QUEUE .. task, now + delay, id)
  count_move(task, meta.owner, meta.state, 'RETRY')
end

-- Hand a lost or given away job out again at once; its attempt still counts as one without a word.
local function make_due(id, task, now)
  redis.call('DEL', IN_PROGRESS .. id)
  redis.call('ZADD', QUEUE .. task, now, id)
  wake_worker(task)
end
