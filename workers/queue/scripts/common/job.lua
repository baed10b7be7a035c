-- What is kept of a job while it is unfinished: itself as arq stores it (JOB .. id), and its meta.
--
-- A job's meta (META .. id) is a JSON object of texts, for to read and write it as a whole costs half
-- of what a hash does. It holds:
--   task, state, owner, created, updated   always
--   started, worker, attempts              since its first attempt; how many there were
--   token                                  while an attempt runs; gone once that attempt gave word
--   crashes                                attempts that ended without a word
--   notify                                 gateways that wait for its end, each followed by a blank
--   key, limit, countdown, expire          its concurrency key, if it has one
--   idempotency                            the name of its idempotency key, if it has one

-- In ms, as text: to put a number into words takes as long as half of a command, each time.
local JOB_LIFETIME = '2592000000' -- 30 days
local META_LIFETIME = '5184000000' -- twice as long, so that `check` can say that a job expired unrun

local GARBLED = {garbled = true}

-- The meta of a job as a table; fields that are not there are nil. Only `garbled` is there if a
-- foreign client put something else in its place: that must not stop the others. `seen` is what an
-- MGET said of it, which is nothing too of what is no string.
local function load_meta(id, seen)
  local stored = seen or redis.pcall('GET', META .. id)
  if not stored then return {} end
  local read, meta = pcall(cjson.decode, stored)
  if not read or type(meta) ~= 'table' or #meta > 0 then return GARBLED end
  for _, value in pairs(meta) do
    if type(value) ~= 'string' then return GARBLED end
  end
  return meta
end

local function save_meta(id, meta)
  redis.call('SET', META .. id, cjson.encode(meta), 'KEEPTTL')
end

-- A number of a job's meta, as text; nil if there is none, or if a foreign client put there what is
-- none, or more than a number holds.
local function digits(text)
  return text and #text < 16 and text:match('^[1-9]%d*$')
end

-- How often a job was started so far, as text.
local function attempts_of(meta)
  return digits(meta.attempts) or '0'
end

-- One more attempt that ended without a word; how many there were. Whoever counts it saves it.
local function count_crash(meta)
  local crashes = (meta.crashes or 0) + 1
  meta.crashes = whole(crashes)
  return crashes
end

-- The stored job; nil if there is none, or if a foreign client put something else than a string there.
local function stored_job(id)
  local job = redis.pcall('GET', JOB .. id)
  return type(job) == 'string' and job or nil
end

-- Keep all that is stored of a job for its whole lifetime from now on. A job that runs gets that at
-- each heartbeat, so it may run for as long as it likes.
local function keep_stored(id, meta)
  redis.call('PEXPIRE', META .. id, META_LIFETIME)
  redis.call('PEXPIRE', JOB .. id, JOB_LIFETIME)
  if meta.idempotency then redis.call('PEXPIRE', IDEMPOTENCY .. meta.idempotency, META_LIFETIME) end
end

local function exists(id)
  return redis.call('EXISTS', RESULT .. id, META .. id, JOB .. id) > 0
end
