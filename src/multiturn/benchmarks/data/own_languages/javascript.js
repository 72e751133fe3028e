//// header
const printJson = (value) => console.log(JSON.stringify(value));

//// balancing_index
const weights = <<weights>>;
////
const sum = (numbers) => numbers.reduce((total, number) => total + number, 0);
const gap = (p) => Math.abs(sum(weights.slice(0, p)) - sum(weights.slice(p)));
////
let best = 0;
for (let p = 1; p <= weights.length; p++) {
  if (gap(p) < gap(best)) best = p;
}
////
printJson([best, gap(best)]);

//// checkerboard_sums
const board = <<board>>;
////
let white = 0;
board.forEach((row, r) =>
  row.forEach((value, c) => {
    if ((r + c) % 2 === 0) white += value;
  })
);
////
const black = board.flat().reduce((total, value) => total + value, 0) - white;
////
printJson(white - black);

//// garden_fence
const posts = <<posts>>;
////
const gaps = posts.slice(1).map((post, i) => Math.abs(post - posts[i]));
////
printJson(Math.max(0, ...gaps));

//// longest_dry_spell
const rain = <<rain>>;
////
const dry = rain.map((amount) => amount < 1);
////
let spell = 0;
let current = 0;
for (const day of dry) {
  current = day ? current + 1 : 0;
  spell = Math.max(spell, current);
}
////
printJson(spell);

//// missing_page_numbers
const pages = <<pages>>;
////
const lost = [];
for (let page = Math.min(...pages); page < Math.max(...pages); page++) {
  if (!pages.includes(page)) lost.push(page);
}
////
const ranges = [];
for (const page of lost) {
  const last = ranges[ranges.length - 1];
  if (last && last[1] === page - 1) last[1] = page;
  else ranges.push([page, page]);
}
////
printJson(ranges);

//// museum_map
const grid = <<grid>>;
////
const mirrored = grid.map((row) => [...row].reverse());
////
const turned = mirrored[0].map((_, c) => mirrored.map((row) => row[c]));
////
const ends = [...turned[0], ...turned[turned.length - 1]];
////
printJson(ends);

//// nearest_charging_point
const houses = <<houses>>;
const points = <<points>>;
////
function nearest(house) {
  let found = points[0];
  for (const point of points) {
    const closer = Math.abs(point - house) - Math.abs(found - house);
    if (closer < 0 || (closer === 0 && point < found)) found = point;
  }
  return found;
}
////
const chosen = houses.map(nearest);
////
const load = points.map((point) => chosen.filter((each) => each === point).length);
////
printJson(load);

//// paired_socks_by_size
const socks = <<socks>>.sort((a, b) => a - b);
////
let pairs = 0;
const single = [];
let i = 0;
////
while (i < socks.length) {
  if (i + 1 < socks.length && socks[i] === socks[i + 1]) {
    pairs += 1;
    i += 2;
  } else {
    single.push(socks[i]);
    i += 1;
  }
}
////
printJson([pairs, ...single]);

//// podium_with_ties
const times = <<times>>;
////
const rank = (time) => 1 + times.filter((other) => other < time).length;
////
const ranks = times.map(rank);
////
const podium = [];
ranks.forEach((place, i) => {
  if (place <= 3) podium.push(i);
});
////
podium.sort((a, b) => ranks[a] - ranks[b] || b - a);
////
printJson(podium);

//// ring_neighbours
const ring = <<ring>>;
////
const n = ring.length;
const sums = ring.map((number, i) => ring[(i + n - 1) % n] + number + ring[(i + 1) % n]);
////
const place = sums.indexOf(Math.max(...sums));
////
printJson(place);

//// rolling_window_peaks
const readings = <<readings>>;
const size = <<size>>;
////
function window_mean(i) {
  return readings.slice(i - size, i).reduce((total, reading) => total + reading, 0) / size;
}
////
const peaks = [];
for (let i = size; i < readings.length; i++) {
  if (readings[i] > window_mean(i)) peaks.push(i);
}
////
printJson(peaks);

//// seat_rows
const people = <<people>>;
////
const rows = [];
for (let i = 0; i < people.length; i += <<width>>) {
  rows.push(people.slice(i, i + <<width>>));
}
////
const aisle = rows.map((row) => row[row.length - 1]);
////
printJson(aisle);

//// shadow_lengths
const street = <<street>>;
////
const visible = [];
for (let i = street.length - 1; i >= 0; i--) {
  if (!visible.length || street[i] > visible[visible.length - 1]) visible.push(street[i]);
}
////
visible.reverse();
printJson(visible);

//// spare_parts
const needed = <<needed>>;
const stock = <<stock>>;
////
const shelf = [...stock];
////
const missing = [];
for (const part of needed) {
  const at = shelf.indexOf(part);
  if (at >= 0) shelf.splice(at, 1);
  else missing.push(part);
}
////
printJson(missing);

//// stair_heights
const heights = <<heights>>;
////
const levels = heights.filter((height, i) => i === 0 || height !== heights[i - 1]);
////
const steps = levels.slice(1).map((level, i) => level - levels[i]);
////
const climbs = steps.filter((step) => step > 0);
////
printJson([climbs.length, climbs.reduce((total, climb) => total + climb, 0)]);

//// tournament_bracket
let players = <<players>>;
////
function play_round(players) {
  const winners = [];
  for (let i = 0; i < players.length; i += 2) {
    const alone = i + 1 === players.length;
    winners.push(alone ? players[i] : Math.abs(players[i] - players[i + 1]));
  }
  return winners;
}
////
let rounds = 0;
while (players.length > 1) {
  players = play_round(players);
  rounds += 1;
}
////
printJson([players[0], rounds]);

//// zigzag_check
const values = <<values>>;
////
const kept = values.slice(0, 1);
////
for (const value of values.slice(1)) {
  const last = kept[kept.length - 1];
  if (kept.length % 2 === 1 ? value > last : value < last) kept.push(value);
}
////
printJson(kept);

//// encoding_categories
const labels = <<labels>>;
////
const kinds = [...new Set(labels)].sort();
////
const rows = labels.map((label) => kinds.map((kind) => (kind === label ? 1 : 0)));
////
printJson(rows.map((row) => row.slice(1)));

//// histogram_text
const data = <<data>>;
const width = <<width>>;
////
const bins = data.map((value) => Math.floor(value / width));
////
const counts = new Array(Math.max(...bins) + 1).fill(0);
for (const bin of bins) counts[bin] += 1;
////
printJson(counts);

//// moving_median
const points = <<points>>;
////
function median3(a, b, c) {
  return [a, b, c].sort((one, other) => one - other)[1];
}
////
const smooth = points.map((point, i) =>
  i === 0 || i === points.length - 1 ? point : median3(points[i - 1], point, points[i + 1])
);
////
const changed = smooth.filter((point, i) => point !== points[i]).length;
printJson([changed, Math.max(...smooth)]);

//// percentile_rank
const scores = <<scores>>;
const mine = <<mine>>;
////
const below = scores.filter((score) => score < mine).length;
const equal = scores.filter((score) => score === mine).length;
////
const rank = Math.round(((below + equal / 2) / scores.length) * 1000) / 10;
printJson(rank);

//// rank_transform
const values = <<values>>;
////
function rank(value) {
  const sorted = [...values].sort((a, b) => a - b);
  return (sorted.indexOf(value) + sorted.lastIndexOf(value)) / 2 + 1;
}
////
printJson(values.map(rank));

//// trimmed_average
const marks = <<marks>>.sort((a, b) => a - b);
////
const middle = marks.slice(<<cut>>, marks.length - <<cut>>);
////
const total = middle.reduce((sum, mark) => sum + mark, 0);
const average = Math.round((total / middle.length) * 100) / 100;
////
printJson(average);

//// base_change_check
const number = <<number>>;
const base = <<base>>;
////
function digits_of(value, base) {
  const digits = [];
  while (value > 0) {
    digits.unshift(value % base);
    value = Math.floor(value / base);
  }
  return digits.length ? digits : [0];
}
////
const digits = digits_of(number, base);
////
const sum = digits.reduce((total, digit) => total + digit, 0);
const same = digits.every((digit, i) => digit === digits[digits.length - 1 - i]);
printJson([digits.length, sum, same]);

//// bus_meeting
const intervals = <<intervals>>;
////
const gcd = (a, b) => (b === 0 ? a : gcd(b, a % b));
const together = intervals.reduce((a, b) => (a / gcd(a, b)) * b, 1);
////
const hours = Math.floor(together / 60);
const minutes = together % 60;
////
printJson(`${hours}:${String(minutes).padStart(2, "0")}`);

//// candle_heights
const first = <<first>>;
const second = <<second>>;
////
const slow = <<slow>>;
const fast = <<fast>>;
////
function height(start, rate, hours) {
  return Math.max(0, start - rate * hours);
}
////
let hours = 0;
while (height(second, fast, hours) > height(first, slow, hours)) hours += 1;
////
printJson([hours, height(first, slow, hours)]);

//// clock_hands
const hour = <<hour>>;
const minute = <<minute>>;
////
const minute_angle = 6 * minute;
////
const hour_angle = 30 * (hour % 12) + 0.5 * minute;
////
const difference = Math.abs(hour_angle - minute_angle);
////
printJson(Math.min(difference, 360 - difference));

//// digit_mountain
const number = <<number>>;
////
const odd = [...String(number)].map(Number).filter((digit) => digit % 2 === 1);
////
const product = odd.reduce((total, digit) => total * digit, 1);
////
printJson(product);

//// discount_steps
const price = <<price>>;
const quantity = <<quantity>>;
////
let percent = 0;
if (quantity >= 100) percent = 12;
else if (quantity >= 50) percent = 8;
else if (quantity >= 10) percent = 5;
////
const total = Math.floor((price * quantity * (100 - percent)) / 100);
////
printJson(total);

//// happy_digits
const n = <<n>>;
function reduce_once(number) {
  return [...String(number)].reduce((total, digit) => total + digit * digit, 0);
}
////
let result = n;
for (let time = 0; time < <<times>>; time++) result = reduce_once(result);
////
printJson(result);

//// lamp_switches
const lamps = new Array(<<lamps>>).fill(false);
////
for (const step of <<steps>>) {
  for (let position = step; position <= lamps.length; position += step) {
    lamps[position - 1] = !lamps[position - 1];
  }
}
////
printJson(lamps.filter((lamp) => lamp).length);

//// looping_sequence
const start = <<start>>;
////
function follow(n) {
  return n % 3 === 0 ? n / 3 : (2 * n + 1) % 100;
}
////
const path = [];
for (let n = start; !path.includes(n); n = follow(n)) path.push(n);
////
const back = follow(path[path.length - 1]);
////
const cycle = path.length - path.indexOf(back);
////
printJson([path.length, cycle, Math.max(...path)]);

//// overlapping_discs
const discs = <<discs>>;
////
function touching(a, b) {
  const squared = (a[0] - b[0]) ** 2 + (a[1] - b[1]) ** 2;
  return squared <= (a[2] + b[2]) ** 2;
}
////
const contacts = discs.map(
  (one, i) => discs.filter((other, j) => i !== j && touching(one, other)).length
);
////
printJson(contacts);

//// perfect_rectangle
const area = <<area>>;
////
const pairs = [];
for (let side = 1; side * side <= area; side++) {
  if (area % side === 0) pairs.push([side, area / side]);
}
////
let best = pairs[0];
for (const pair of pairs) {
  if (pair[1] - pair[0] < best[1] - best[0]) best = pair;
}
////
const perimeter = 2 * (best[0] + best[1]);
////
printJson([pairs.length, perimeter]);

//// polynomial_slope
const coefficients = <<coefficients>>;
////
function evaluate(terms, x) {
  return terms.reduceRight((value, term) => value * x + term, 0);
}
////
const slope = coefficients.map((coefficient, i) => i * coefficient).slice(1);
////
printJson([evaluate(coefficients, <<x>>), evaluate(slope, <<x>>)]);

//// savings_plan
const deposit = <<deposit>>;
const rate = <<rate>>;
////
const goal = <<goal>>;
let balance = 0;
let years = 0;
////
while (balance < goal) {
  balance += deposit;
  balance += (balance * rate) / 100;
  years += 1;
}
////
printJson(years);

//// sum_of_three_squares
const target = <<target>>;
////
const roots = [];
for (let root = 0; root * root <= target; root++) roots.push(root);
////
const triples = [];
for (const a of roots) {
  for (const b of roots.slice(a)) {
    for (const c of roots.slice(b)) {
      if (a * a + b * b + c * c === target) triples.push([a, b, c]);
    }
  }
}
////
printJson(triples);

//// ticket_numbers
const first = <<first>>;
const last = <<last>>;
////
function lucky(number) {
  const digits = [...String(number).padStart(6, "0")].map(Number);
  return digits[0] + digits[1] + digits[2] === digits[3] + digits[4] + digits[5];
}
////
let count = 0;
for (let number = first; number <= last; number++) {
  if (lucky(number)) count += 1;
}
printJson(count);

//// tile_floor
const length = <<length>>;
const width = <<width>>;
const tile = <<tile>>;
////
const along = Math.ceil(length / tile);
const across = Math.ceil(width / tile);
////
const full = Math.floor(length / tile) * Math.floor(width / tile);
////
printJson(along * across - full);

//// triangle_kinds
const sides = <<sides>>.sort((a, b) => a - b);
////
const square = sides[0] ** 2 + sides[1] ** 2 - sides[2] ** 2;
////
function kind() {
  if (sides[0] + sides[1] <= sides[2]) return "none";
  if (square === 0) return "right";
  return square > 0 ? "acute" : "obtuse";
}
////
printJson(kind());

//// alphabet_coverage
const sentence = <<sentence>>;
////
const used = new Set([...sentence.toLowerCase()].filter((letter) => /[a-z]/.test(letter)));
////
const unused = [..."abcdefghijklmnopqrstuvwxyz"].filter((letter) => !used.has(letter)).join("");
////
printJson(unused);

//// bracket_depth
const text = <<text>>;
////
const depths = [];
let depth = 0;
for (const character of text) {
  if (character === "(") depth += 1;
  if (character === ")") depth -= 1;
  depths.push(depth);
}
////
const valid = depths.every((each) => each >= 0) && depth === 0;
////
printJson(valid ? Math.max(0, ...depths) : -1);

//// caesar_with_digits
const text = <<text>>;
const key = <<key>>;
////
function shift(character) {
  const code = character.charCodeAt(0);
  if (character >= "a" && character <= "z") return String.fromCharCode(97 + ((code - 97 + key) % 26));
  if (character >= "0" && character <= "9") return String((Number(character) + key) % 10);
  return character;
}
////
const secret = [...text].map(shift).join("");
////
printJson(secret);

//// column_letters
function to_number(letters) {
  let number = 0;
  for (const letter of letters) number = number * 26 + letter.charCodeAt(0) - 64;
  return number;
}
////
function to_letters(number) {
  let letters = "";
  while (number > 0) {
    letters = String.fromCharCode(65 + ((number - 1) % 26)) + letters;
    number = Math.floor((number - 1) / 26);
  }
  return letters;
}
////
const column = <<column>>;
const offset = <<offset>>;
////
printJson(to_letters(to_number(column) + offset));

//// common_ending
const words = <<words>>;
////
const limit = Math.min(...words.map((word) => word.length));
////
let size = 0;
while (size < limit && words.every((word) => word.at(-size - 1) === words[0].at(-size - 1))) size += 1;
////
printJson(words[0].slice(words[0].length - size));

//// letter_ladder
const words = <<words>>;
////
function distance(a, b) {
  let different = Math.abs(a.length - b.length);
  for (let i = 0; i < Math.min(a.length, b.length); i++) {
    if (a[i] !== b[i]) different += 1;
  }
  return different;
}
////
const steps = words.slice(1).map((word, i) => distance(words[i], word));
////
const broken = steps.findIndex((step) => step !== 1);
////
printJson(broken);

//// mirror_words
const words = <<words>>;
////
function has_mirror(i) {
  const mirrored = [...words[i]].reverse().join("");
  return words.some((word, j) => j !== i && word === mirrored);
}
////
const found = words.filter((_, i) => has_mirror(i));
printJson(found);

//// syllable_guess
const words = <<words>>;
////
function groups(word) {
  return (word.match(/[aeiouy]+/g) || []).length;
}
////
function syllables(word) {
  const count = groups(word);
  return word.endsWith("e") && count > 1 ? count - 1 : count;
}
////
const total = words.reduce((sum, word) => sum + syllables(word), 0);
printJson(total);

//// vowel_swap
const word = <<word>>;
////
const spots = [];
for (let i = 0; i < word.length; i++) {
  if ("aeiou".includes(word[i])) spots.push(i);
}
////
const letters = [...word];
////
spots.forEach((spot, i) => {
  letters[spot] = word[spots[spots.length - 1 - i]];
});
////
printJson(letters.join(""));

//// word_lengths_code
const sentence = <<sentence>>;
////
const words = sentence.split(" ").filter((word) => word !== "");
////
const code = words.map((word) => word.length).join("-");
////
printJson(code);

//// secret_initials
const name = <<name>>;
////
const parts = name.replace(/-/g, " ").split(" ").filter((part) => part !== "");
////
printJson(parts.map((part) => part[0].toUpperCase() + ".").join(""));

//// binary_search_trace
const shelf = <<shelf>>;
const wanted = <<wanted>>;
////
let low = 0;
let high = shelf.length - 1;
const seen = [];
////
while (low <= high) {
  const middle = Math.floor((low + high) / 2);
  seen.push(middle);
  if (shelf[middle] === wanted) break;
  if (shelf[middle] < wanted) low = middle + 1;
  else high = middle - 1;
}
////
printJson(seen);

//// cheapest_path_down
const rows = <<rows>>;
////
function combine(row, below) {
  return row.map((value, i) => value + Math.min(below[i], below[i + 1]));
}
////
let costs = rows[rows.length - 1];
for (let r = rows.length - 2; r >= 0; r--) costs = combine(rows[r], costs);
////
printJson(costs[0]);

//// climbing_routes
const count = <<count>>;
const broken = new Set(<<broken>>);
////
const ways = [1];
////
for (let step = 1; step <= count; step++) {
  const before = ways.slice(-3).reduce((total, way) => total + way, 0);
  ways.push(broken.has(step) ? 0 : before);
}
////
printJson(ways[count]);

//// dutch_auction
let price = <<price>>;
const drop = <<drop>>;
const limits = <<limits>>;
////
while (price > 0 && Math.max(...limits) < price) price -= drop;
////
const buyer = price > 0 ? limits.findIndex((limit) => limit >= price) : -1;
////
printJson([buyer, Math.max(price, 0)]);

//// elevator_rides
const weights = <<weights>>;
const limit = <<limit>>;
////
const rides = [];
for (const weight of weights) {
  const last = rides.length - 1;
  if (last >= 0 && rides[last] + weight <= limit) rides[last] += weight;
  else rides.push(weight);
}
////
printJson([rides.length, Math.max(0, ...rides)]);

//// shelf_of_sums
const numbers = <<numbers>>;
const queries = <<queries>>;
////
const running = [0];
for (const number of numbers) running.push(running[running.length - 1] + number);
////
printJson(queries.map(([first, last]) => running[last + 1] - running[first]));

//// sorting_swaps
const cards = <<cards>>;
let swaps = 0;
////
for (let i = 0; i < cards.length - 1; i++) {
  let smallest = i;
  for (let j = i + 1; j < cards.length; j++) {
    if (cards[j] < cards[smallest]) smallest = j;
  }
  if (smallest !== i) {
    [cards[i], cards[smallest]] = [cards[smallest], cards[i]];
    swaps += 1;
  }
}
////
printJson(swaps);

//// spaced_picks
const values = <<values>>;
////
let take = 0;
let skip = 0;
////
for (const value of values) {
  [take, skip] = [skip + value, Math.max(take, skip)];
}
////
printJson(Math.max(take, skip));

//// two_pointer_budget
const prices = <<prices>>.sort((a, b) => a - b);
const budget = <<budget>>;
////
let low = 0;
let high = prices.length - 1;
let best = 0;
////
while (low < high) {
  const total = prices[low] + prices[high];
  if (total > budget) high -= 1;
  else {
    best = Math.max(best, total);
    low += 1;
  }
}
////
printJson(best);

//// thermostat_rules
class Heater {
  constructor(low, high) {
    this.low = low;
    this.high = high;
    this.on = false;
    this.switches = 0;
  }
}
////
function update(heater, temperature) {
  if (!heater.on && temperature < heater.low) {
    heater.on = true;
    heater.switches += 1;
  } else if (heater.on && temperature > heater.high) {
    heater.on = false;
    heater.switches += 1;
  }
}
////
const heater = new Heater(<<low>>, <<high>>);
let minutes = 0;
for (const temperature of <<temperatures>>) {
  update(heater, temperature);
  if (heater.on) minutes += 1;
}
////
printJson([heater.switches, minutes]);

//// turnstile
class Turnstile {
  constructor() {
    this.open = false;
    this.passed = 0;
  }
}
////
function handle(turnstile, action) {
  if (action === "coin") {
    turnstile.open = true;
  } else if (turnstile.open) {
    turnstile.passed += 1;
    turnstile.open = false;
  }
}
////
const gate = new Turnstile();
for (const action of <<actions>>) handle(gate, action);
////
printJson([gate.passed, gate.open]);
