-- both

ngx.say({ "a", { "b", { 1, { true } } }, "c" })
ngx.say({}, { {} }, "end")
ngx.print({ "x", nil })
ngx.say({ false, true })
