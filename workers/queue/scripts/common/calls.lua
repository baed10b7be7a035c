-- What every function of the library begins with.
--
-- Scripts make key names from ids, so this needs one queue server and not a Redis Cluster.

local function clock()
  local t = redis.call('TIME')
  return t[1] * 1000 + math.floor(t[2] / 1000)
end

-- What a call remembers until its end. Functions stay loaded, and so would their variables.
local memory

local function begin()
  memory = {
    texts = {}, -- see below
    changes = {}, has_begun = {}, has_ended = {}, -- see counting.lua
    woken = {}, told = {}, -- see waking.lua
    are_any_aborted = nil, sent = 0, -- see looking.lua
  }
end

-- A whole number as text. That of most jobs in a call is the same: what time it is.
local function whole(number)
  local text = memory.texts[number] or string.format('%d', number)
  memory.texts[number] = text
  return text
end

-- What `act` answers, which is about a key that all jobs share or that is about to be written. What a
-- foreign client put there that is of another type makes way: it would stop every call.
local function cleared(key, act)
  local acted, answer = pcall(act)
  if acted then return answer end
  local problem = tostring(type(answer) == 'table' and answer.err or answer)
  if not string.find(problem, 'WRONGTYPE', 1, true) then error(answer, 0) end
  redis.call('DEL', key)
  return act()
end

-- The answers of `act` to every `count` arguments in a row: many calls in one. What goes wrong with
-- one is its own answer, the others are carried out.
local function for_each(arguments, count, act)
  local answers = {}
  for i = 1, #arguments, count do
    local acted, answer = pcall(act, unpack(arguments, i, i + count - 1))
    if not acted and type(answer) ~= 'table' then answer = {err = tostring(answer)} end
    answers[#answers + 1] = answer
  end
  return answers
end
