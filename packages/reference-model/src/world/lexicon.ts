/** Word lists of the synthetic world; the same words, in the same order, as `training/lexicon.py`. */
const words = (list: string): readonly string[] => list.trim().split(/\s+/)

export const adjectives = words(`
  amber ancient ample angry autumn bitter blank blue bold bold brave brief bright brisk broad broken
  bronze calm careful cheap clean clear clever cold common copper coral crimson crisp curious daily damp
  dark dear deep dense distant dizzy double dry dull dusty eager early eastern easy elegant empty equal
  exact faint fair famous fancy fast fierce final fine firm flat fond formal fragile free fresh friendly
  full gentle giant glad golden grand grave gray great green grim handy happy hard harsh hasty heavy
  hidden high hollow honest huge humble icy idle inner ivory jade jolly keen kind large late lazy lean
  left lively local lone long loose loud low loyal lucky lunar major mellow mild minor misty modern modest
  moist narrow neat nimble noble noisy northern novel odd olive open orange outer pale patient plain
  polite prime proud pure purple quick quiet rapid rare raw ready red regal rich right ripe robust rough
  round royal rural rusty sacred safe salty scarlet secret serene shallow sharp short shy silent silver
  simple sleek slow small smart smooth soft solar solid southern spare sparse stable steady steep stern
  still strange strict strong subtle sudden sunny sweet swift tall tame tart tender thick thin tidy tiny
  tough true urban vague vast velvet vivid warm wary weak western white whole wide wild wise wooden young
  zealous
`)

export const nouns = words(`
  acorn actor anchor ankle apple apron archer arrow atlas badge baker balcony banjo barrel basin basket
  beacon beetle bell bench berry bishop blanket blossom boat bottle boulder branch bread bridge broom
  brush bucket button cabin cable camel candle canoe canyon captain carpet castle cellar chair chalk
  chapel cherry chest chimney circle cliff clock cloud clover coach coast coin comet compass cottage
  cradle crane crater crown crystal curtain dancer desert desk diary dolphin donkey door dragon drum eagle
  earth easel elbow ember engine envelope falcon farm feather fence ferry fiddle field finch flag flame
  flower flute forest fork fossil fountain fox frost galaxy garden garlic gate geyser glacier glove goose
  grain grape guitar hammer harbor harvest hawk hazel helmet heron hill honey horse hotel house island ivy
  jacket jar jewel journal judge jungle kettle key kitchen kite kitten ladder lagoon lake lamp lantern
  lemon letter library lily lion lizard lobster locket lotus magnet mango maple marble market meadow melon
  mirror monkey moon moss mountain museum needle nest notebook novel oak oasis ocean olive onion orchard
  orchid otter owl oyster paddle palace panda panther paper parade parrot pebble pencil pepper piano
  pigeon pillow pilot pine planet plaza plum pocket poem pond poppy potato prairie prince puzzle quarry
  queen quill rabbit raccoon radio raft rail raven ribbon rice river road robin rocket roof rose ruby
  saddle sailor salmon sand school scroll shadow shell shepherd ship shore singer sister sketch sky
  slipper snail snow sparrow spider spoon spring square stable star statue stone storm stream street
  summit swan table tailor teacher temple theater thimble thistle thunder ticket tiger tower train
  treasure tree trumpet tulip tunnel turtle valley vase velvet vessel village violet violin wagon walnut
  water weaver whale wheat wheel willow window winter wizard wolf wood yard zebra
`)

/** Third person singular. */
export const verbs = words(`
  admires answers avoids awaits balances borrows brings builds buries carries catches chases chooses
  circles cleans climbs closes collects copies counts covers crosses draws dreams drops enters explores
  faces feeds fills finds fixes follows forgets gathers greets guards guides hears helps hides holds
  invites joins keeps kicks knows leads leaves lifts likes loses loves makes marks meets mends misses
  moves names needs notices offers opens orders paints passes plants pulls pushes reaches reads repairs
  rescues returns rides sees sells sends serves shares shows sketches studies takes teaches thanks tracks
  trades trusts turns visits wakes warns washes watches wins writes
`)

export const infinitives = words(`
  eat bake read walk sit swim sing dance sail rest paint climb ride draw plant watch feed visit taste hum
  juggle sketch listen wander picnic stroll nap fish skate cook
`)

export const prepositions = words(`
  near behind beside above below inside beyond across under around
`)

export const places = words(`
  Aldora Belmont Calder Dunmore Elwick Farrow Glenhaven Harlow Ivorne Jasper Kelby Lorwood Marrow Norvale
  Oakham Pelham Quarrel Ravenna Selby Tarrin Umberly Verona Westmere Yarrow Zephyr Brindle Corwen Dalton
  Everly Fenwick Gilroy Hexham Ingleby Jarrow Kirkby Langley Milton Newport Orford Preston
`)

export const names = words(`
  Ada Boris Clara Dmitri Elena Felix Greta Hugo Iris Jonas Kira Leo Mara Nils Olga Petra Quinn Rosa Stefan
  Tessa Ulric Vera Wanda Xavier Yara Zane Anton Bella Casper Delia Edgar Flora Gideon Hanna Igor Julia
  Karl Lydia Magnus Nora
`)
