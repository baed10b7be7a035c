-- Give back what a worker holds without running it.
--   ARGV  worker, nonce, task, task ...
--         nonce ''          all that an earlier process of this worker held when it died: due at
--                           once; the lost attempts count as crashes when the jobs are claimed
--         nonce of a claim  what that claim took, its answer having been lost: back as if it had
--                           never been, no attempt and no crash
--   ->    how many
-- Looks at 10,000 entries a queue at most; what lies beyond comes back by its lease.
local worker, nonce = ARGV[1], ARGV[2]
local now = clock()
local given_back = 0

local function undo(id, task, meta)
  put_back(id, task, meta, attempts_of(meta) - 1, 0, now)
  if meta.key then leave_place(id, task, meta.key, now) end
  wake_worker(task)
end

local function is_of_claim(token)
  return string.find(token, ':' .. worker .. ':' .. nonce .. '.', 1, true)
end

for i = 3, #ARGV do
  local task = ARGV[i]
  local later = redis.pcall('ZRANGEBYSCORE', QUEUE .. task, '(' .. whole(now), '+inf',
    'LIMIT', 0, 10000)
  for _, id in ipairs(later) do -- none of a queue that is none
    local meta = load_meta(id) -- a job with a garbled one is ended when it is claimed
    if meta.worker == worker and meta.token and (nonce == '' or is_of_claim(meta.token)) then
      if nonce == '' then make_due(id, task, meta, now) else undo(id, task, meta) end
      given_back = given_back + 1
    end
  end
end
return closed(given_back, now)
