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

local function tell_waiting(id, notify)
  for gateway in string.gmatch(notify or '', '%S+') do
    redis.call('PUBLISH', DONE .. gateway, id)
  end
end
