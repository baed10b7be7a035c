-- Who waits is told: idle workers that there is work, gateways that a job has ended.
--
-- One token is enough: it wakes one idle worker, and a claim that leaves due jobs behind leaves a
-- token behind as well, so the wake-up is passed on until the work or the idle workers run out.

local function wake_worker(task)
  if memory.woken[task] then return end -- nobody takes a token while the call that left it runs
  memory.woken[task] = true
  local tokens = redis.pcall('LLEN', WAKE .. task)
  if tokens == 0 then
    redis.call('LPUSH', WAKE .. task, '1')
  elseif type(tokens) == 'table' then -- a foreign client's, and no list
    redis.call('DEL', WAKE .. task)
  end
end

-- Who waits for a job's end is told the stored result. A large one would have to be kept for
-- listeners that are slow, so they are told the id only, and read it.
local LARGEST_TOLD = 16 * 1024 -- bytes
local BETWEEN = '\0' -- which JSON has nowhere

local function tell_waiting(id, notify, stored)
  for gateway in string.gmatch(notify or '', '%S+') do
    local told = memory.told[gateway] or {}
    memory.told[gateway] = told
    told[#told + 1] = #stored <= LARGEST_TOLD and stored or id
  end
end

-- Tell each gateway of all that ended in this call by one message.
local function tell_gathered()
  for gateway, told in pairs(memory.told) do
    redis.call('PUBLISH', DONE .. gateway, table.concat(told, BETWEEN))
  end
  memory.told = {}
end
