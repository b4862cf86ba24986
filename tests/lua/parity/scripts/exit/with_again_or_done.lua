-- serve
-- they are nginx's own
for _, status in ipairs { ngx.AGAIN, ngx.DONE, -2.9 } do
    local ok, err = pcall(ngx.exit, status)
    ngx.say(ok, " ", err)
end
