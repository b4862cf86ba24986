-- serve

local show = require "show"

package.loaded["made.up"] = { name = "made up" }
show(require("made.up").name)
package.loaded["made.up"] = nil
package.preload["made.up"] = function(name)
    return { name = "preloaded " .. name }
end
show(require("made.up").name, require("made.up") == require("made.up"))
package.loaded["made.up"], package.preload["made.up"] = nil, nil
