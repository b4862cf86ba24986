-- serve

ngx.exit(200)
