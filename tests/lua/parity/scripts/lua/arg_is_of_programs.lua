-- serve
ngx.say(arg, " ", rawget(_G, "arg"), " ", select("#", ...))
