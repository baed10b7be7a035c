-- Hand out due jobs of several queues, each with a lease and a token.
--   ARGV  worker, nonce, wanted, lease (ms), crash limit, result ttl (ms), large (bytes),
--         doubt (ms), how many begin at once, share, until when (ms) it is meant or 0, task ...
--   ->    now (ms) and the number of jobs; for each job id, task, token, attempt, data and concurrency
--         key, where the data is its length where those before it and its own are larger than
--         `large`; for each that was found to be beyond running and ended here id, task and state
-- A worker that could not reach this server until lately, or found that its clock has jumped, sends
-- for how long it will doubt that a lease ran out for another reason than that: the job's own worker
-- may have fared alike, and gets that time to renew it.
-- Jobs beyond those that begin at once are taken ahead: their tokens say so, and if such an attempt
-- is lost, that is no crash, for it had hardly begun. That is believed of a job but once.
-- Each queue gives its share, in the order of the tasks, before the first one gives more of it.
-- An entry is due when its score has passed. The score of a running job is the end of its lease, so
-- the job of a worker that died is due again by itself, and running jobs are never in the way.
local worker, nonce = ARGV[1], ARGV[2]
local wanted, lease, crash_limit = tonumber(ARGV[3]), ARGV[4], tonumber(ARGV[5])
local ttl, large, doubt = ARGV[6], tonumber(ARGV[7]), tonumber(ARGV[8])
local begin_at_once, fair_share = tonumber(ARGV[9]), tonumber(ARGV[10])
local meant_until = tonumber(ARGV[11])
local FIRST_TASK = 12

local AHEAD = 'a'
local MOST_AT_ONCE = 1000 -- entries of a queue: Lua passes 8000 arguments at most

local now = clock()
local jobs, buried = {}, {}

-- Each list within the answer would cost the server a block of 16 KB, so it is one of words only.
local function answer()
  local words = {now, #jobs}
  for _, rows in ipairs({jobs, buried}) do
    for _, row in ipairs(rows) do
      for _, word in ipairs(row) do words[#words + 1] = word end
    end
  end
  return words
end

-- A network may keep a claim for minutes and deliver it when its worker has long asked again, and
-- before the worker has renewed what it holds: it would be given its own jobs.
if meant_until > 0 and now > meant_until then return answer() end
local sent = 0 -- bytes of data in the answer
local looks_left = wanted + 64 -- entries looked at, at most: the bound of this script

local function bury(id, task, job, meta, state, reason, is_dead)
  if is_dead then keep_letter(id, task, job, meta, reason, now, true) end
  conclude(id, task, job, meta, state, reason, ttl, now)
  if meta.key then leave_place(id, task, meta.key, now) end
  buried[#buried + 1] = {id, task, state}
end

-- End a job whose keys hold what cannot be one's. Nothing of it is relied on but what can be read.
local function bury_garbage(id, task, why)
  local meta = load_meta(id)
  local reason = cjson.encode('unreadable: the keys of this job hold what is not a job: ' .. why)
  keep_letter(id, task, stored_job(id), meta, reason, now, true)
  redis.call('DEL', META .. id, JOB .. id)
  conclude(id, task, nil, meta, 'FAILURE', reason, ttl, now)
  if meta.key then pcall(leave_place, id, task, meta.key, now) end
  buried[#buried + 1] = {id, task, 'FAILURE'}
end

-- Have the head of those that wait look again when the first lease of a holder may end, or at once
-- if there is another free place.
local function watch_holders(name, task, limit)
  local head = redis.call('ZRANGE', PARKED .. name, 0, 0)[1]
  if not head then return end
  local room = redis.call('ZCARD', HOLDERS .. name) < limit
  local free = room and now or redis.call('ZRANGE', HOLDERS .. name, 0, 0, 'WITHSCORES')[2]
  redis.call('ZADD', QUEUE .. task, 'XX', 'LT', math.max(tonumber(free), now) + 1, head)
end

-- A place in the job's concurrency key; without one the job is parked. The head of the row looks
-- again when the first lease of a holder may end, the others after their countdown; a place that is
-- given back calls the head at once.
local function take_place(id, task, meta)
  local name = place_name(task, meta.key)
  -- In doubt a place that lapsed is as good as taken: its job may be running, see may_be_running.
  if doubt == 0 then redis.call('ZREMRANGEBYSCORE', HOLDERS .. name, '-inf', now) end
  local room = redis.call('ZCARD', HOLDERS .. name) < tonumber(meta.limit)
  if room or redis.call('ZSCORE', HOLDERS .. name, id) then -- its own, from a lost attempt
    hold_place(id, task, meta.key, math.min(lease, tonumber(meta.expire)), now)
    redis.call('ZREM', PARKED .. name, id)
    watch_holders(name, task, tonumber(meta.limit)) -- there may be another head now
    return true
  end
  redis.call('ZADD', PARKED .. name, meta.created, id)
  -- Never due again within this call, which would look at it again and again.
  put_back(id, task, meta, attempts_of(meta), math.max(1, tonumber(meta.countdown)), now)
  watch_holders(name, task, tonumber(meta.limit))
  return false
end

local leased = {} -- what to ZADD to the queue of the task that is looked at: its jobs that start now

local function start(id, task, meta, data)
  local attempt = whole(attempts_of(meta) + 1)
  local ahead = #jobs >= begin_at_once and not meta.token
  local token = attempt .. ':' .. worker .. ':' .. nonce .. '.' .. (ahead and AHEAD or '') .. #jobs
  local age = now - (meta.created or 0) -- of an arq client's job: very old
  redis.call('SET', IN_PROGRESS .. id, token, 'PX', lease)
  count_move(task, meta.owner, meta.state, 'STARTED')
  meta.state, meta.token, meta.worker, meta.attempts = 'STARTED', token, worker, attempt
  meta.started, meta.updated = whole(now), whole(now)
  if not meta.created then -- an arq client's: nothing was known of it but itself
    meta.task, meta.created = task, whole(now)
  end
  save_meta(id, meta)
  -- With its first renewal all is kept for as long as it runs; until then little is lost in time.
  if age > JOB_LIFETIME / 2 then keep_stored(id, meta) end
  leased[#leased + 1] = whole(now + lease)
  leased[#leased + 1] = id
  -- A large job is fetched by its worker: the claim's answer must not be held up by it.
  local fits = sent + #data <= large
  if fits then sent = sent + #data end
  jobs[#jobs + 1] = {id, task, token, attempt, fits and data or #data, meta.key or ''}
end

-- Whether to leave a job whose lease ran out to its worker for now. It is due again soon, for other
-- workers may have no doubt.
local function may_be_running(id, task, meta)
  if doubt == 0 or not meta.token or meta.worker == worker then return false end
  redis.call('ZADD', QUEUE .. task, now + math.min(doubt, 1000), id)
  return true
end

-- Whether a former attempt used up the last chance by ending without a word.
local function crashed_once_too_often(meta)
  if not meta.token or string.find(meta.token, '%.' .. AHEAD .. '%d+$') then return false end
  return count_crash(meta) >= crash_limit
end

local function look_at(id, task)
  local result, held, data, seen = unpack(redis.call('MGET',
    RESULT .. id, IN_PROGRESS .. id, JOB .. id, META .. id))
  if result then
    redis.call('ZREM', QUEUE .. task, id)
    return
  end
  local lease_left = held and redis.call('PTTL', IN_PROGRESS .. id) or -1
  if lease_left >= 0 then -- runs: an arq client's abort() made it due
    redis.call('ZADD', QUEUE .. task, now + lease_left, id)
    return
  end
  local meta = load_meta(id, seen)
  if meta.garbled then error('WRONGTYPE its meta is no JSON object') end
  if is_aborted(id) then
    bury(id, task, data, meta, 'REVOKED', REVOKED_TEXT)
  elseif not data then
    redis.call('GET', JOB .. id) -- raises if it is there, but no string
    bury(id, task, nil, meta, 'FAILURE', EXPIRED_TEXT)
  elseif may_be_running(id, task, meta) then
    return
  elseif crashed_once_too_often(meta) then
    bury(id, task, data, meta, 'FAILURE', cjson.encode('given up: ' .. crash_limit
      .. ' attempts ended without a word because their worker was lost, the last one on '
      .. (meta.worker or '?')), true)
  elseif not meta.key or take_place(id, task, meta) then
    start(id, task, meta, data)
  end
end

-- Garbage under the keys of one job costs that job only: it must not keep all others from being
-- handed out.
local function look_at_anything(id, task)
  local looked, problem = pcall(look_at, id, task)
  if not looked then bury_garbage(id, task, expect_garbage(problem)) end
end

local emptied = {} -- queues in which fewer jobs were due than asked for: not looked at again

local function take(task, share)
  local target = math.min(wanted, #jobs + share)
  while #jobs < target and looks_left > 0 and not emptied[task] do
    local most = math.min(target - #jobs, looks_left, MOST_AT_ONCE)
    local due = redis.pcall('ZRANGEBYSCORE', QUEUE .. task, '-inf', whole(now),
      'LIMIT', '0', whole(most))
    if due.err then due = {} end -- a queue that is none keeps nothing from the others
    emptied[task] = #due < most
    for _, id in ipairs(due) do
      looks_left = looks_left - 1
      look_at_anything(id, task)
    end
    if #leased > 0 then redis.call('ZADD', QUEUE .. task, unpack(leased)) end
    leased = {}
  end
end

for _, share in ipairs({fair_share, wanted}) do
  for i = FIRST_TASK, #ARGV do
    if #jobs >= wanted then break end
    take(ARGV[i], share)
  end
end

-- Where much is left behind, all tokens are there already, and one look at them is enough.
local function wake_for_the_rest()
  local tokens = {}
  for i = FIRST_TASK, #ARGV do tokens[#tokens + 1] = WAKE .. ARGV[i] end
  if redis.call('EXISTS', unpack(tokens)) == #tokens then return end
  for i = FIRST_TASK, #ARGV do
    local due = redis.pcall('ZCOUNT', QUEUE .. ARGV[i], '-inf', whole(now))
    if type(due) == 'number' and due > 0 then wake_worker(ARGV[i]) end
  end
end

if #jobs >= wanted or looks_left <= 0 then wake_for_the_rest() end
return closed(answer(), now)
