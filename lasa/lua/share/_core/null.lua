-- ngx.null: the light userdata NULL, the very value that cjson.null and every `== ngx.null` of a script mean.
--
-- Lua itself has no way to make a light userdata, and an ffi pointer is cdata, which is not the same value. LuaJIT's
-- serialiser has a tag for it: the byte 3 stands for NULL. As all NULLs are equal, whoever needs one makes it so.
-- Source: LuaJIT, "String Buffer Library", serialization format.

return require("string.buffer").decode("\3")
