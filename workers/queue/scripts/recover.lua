-- Give back what a worker holds without running it.
--   ARGV  worker, nonce, since, task, task ...
--         nonce ''          all that an earlier process of this worker held when it died: due at
--                           once; the lost attempts count as crashes when the jobs are claimed
--         nonce of a claim  what that claim took, its answer having been lost: back as if it had
--                           never been, no attempt and no crash
--         since             when the first of these leases ends (ms); 0: after now, which misses those
--                           of a claim that have run out meanwhile, and are due for anybody
--   ->    how many
-- Looks at 10,000 entries a queue at most; what lies beyond comes back by its lease.
local worker, nonce, since = ARGV[1], ARGV[2], tonumber(ARGV[3])
local now = clock()
local first = since > 0 and whole(since) or '(' .. whole(now)
local given_back = 0

local function undo(id, task, meta)
  put_back(id, task, meta, attempts_of(meta) - 1, 0, now)
  if meta.key then leave_place(id, task, meta.key, now) end
  wake_worker(task)
end

local function is_of_claim(token)
  return string.find(token, ':' .. worker .. ':' .. nonce .. '.', 1, true)
end

for i = 4, #ARGV do
  local task = ARGV[i]
  local held = redis.pcall('ZRANGEBYSCORE', QUEUE .. task, first, '+inf', 'LIMIT', 0, 10000)
  for _, id in ipairs(held) do -- none of a queue that is none
    local meta = load_meta(id) -- a job with a garbled one is ended when it is claimed
    if meta.worker == worker and meta.token and (nonce == '' or is_of_claim(meta.token)) then
      if nonce == '' then make_due(id, task, meta, now) else undo(id, task, meta) end
      given_back = given_back + 1
    end
  end
end
return closed(given_back, now)
