//// header
import (
	"encoding/json"
	"fmt"
)

func printJson(printedValues ...any) {
	// One value as it is, several as a list.
	var printed any = printedValues
	if len(printedValues) == 1 {
		printed = printedValues[0]
	}
	encoded, _ := json.Marshal(printed)
	fmt.Println(string(encoded))
}

//// balancing_index
weights := []int<<weights>>
////
gap := func(p int) int {
	difference := 0
	for i, weight := range weights {
		if i < p {
			difference += weight
		} else {
			difference -= weight
		}
	}
	if difference < 0 {
		return -difference
	}
	return difference
}
////
best := 0
for p := 1; p <= len(weights); p++ {
	if gap(p) < gap(best) {
		best = p
	}
}
////
printJson(best, gap(best))

//// checkerboard_sums
board := [][]int<<board>>
////
white := 0
for r, row := range board {
	for c, value := range row {
		if (r+c)%2 == 0 {
			white += value
		}
	}
}
////
black := -white
for _, row := range board {
	for _, value := range row {
		black += value
	}
}
////
printJson(white - black)

//// garden_fence
posts := []int<<posts>>
////
gaps := []int{}
for i := 1; i < len(posts); i++ {
	gap := posts[i] - posts[i-1]
	if gap < 0 {
		gap = -gap
	}
	gaps = append(gaps, gap)
}
////
largest := 0
for _, gap := range gaps {
	if gap > largest {
		largest = gap
	}
}
printJson(largest)

//// longest_dry_spell
rain := []float64<<rain>>
////
dry := []bool{}
for _, amount := range rain {
	dry = append(dry, amount < 1)
}
////
spell := 0
current := 0
for _, day := range dry {
	current += 1
	if !day {
		current = 0
	}
	if current > spell {
		spell = current
	}
}
////
printJson(spell)

//// missing_page_numbers
pages := []int<<pages>>
////
present := map[int]bool{}
first, last := pages[0], pages[0]
for _, page := range pages {
	present[page] = true
	if page < first {
		first = page
	}
	if page > last {
		last = page
	}
}
lost := []int{}
for page := first; page <= last; page++ {
	if !present[page] {
		lost = append(lost, page)
	}
}
////
ranges := [][]int{}
for _, page := range lost {
	end := len(ranges) - 1
	if end >= 0 && ranges[end][1] == page-1 {
		ranges[end][1] = page
	} else {
		ranges = append(ranges, []int{page, page})
	}
}
////
printJson(ranges)

//// museum_map
grid := [][]int<<grid>>
////
mirrored := [][]int{}
for _, row := range grid {
	turnedRow := []int{}
	for c := len(row) - 1; c >= 0; c-- {
		turnedRow = append(turnedRow, row[c])
	}
	mirrored = append(mirrored, turnedRow)
}
////
turned := make([][]int, len(mirrored[0]))
for _, row := range mirrored {
	for c, value := range row {
		turned[c] = append(turned[c], value)
	}
}
////
ends := append(append([]int{}, turned[0]...), turned[len(turned)-1]...)
////
printJson(ends)

//// nearest_charging_point
houses := []int<<houses>>
points := []int<<points>>
////
nearest := func(house int) int {
	distance := func(point int) int {
		if point > house {
			return point - house
		}
		return house - point
	}
	found := points[0]
	for _, point := range points {
		closer := distance(point) - distance(found)
		if closer < 0 || (closer == 0 && point < found) {
			found = point
		}
	}
	return found
}
////
chosen := []int{}
for _, house := range houses {
	chosen = append(chosen, nearest(house))
}
////
load := []int{}
for _, point := range points {
	times := 0
	for _, each := range chosen {
		if each == point {
			times++
		}
	}
	load = append(load, times)
}
////
printJson(load)

//// paired_socks_by_size
socks := []int<<socks>>
sort.Ints(socks)
////
pairs := 0
single := []int{}
i := 0
////
for i < len(socks) {
	if i+1 < len(socks) && socks[i] == socks[i+1] {
		pairs += 1
		i += 2
	} else {
		single = append(single, socks[i])
		i += 1
	}
}
////
printJson(append([]int{pairs}, single...))

//// podium_with_ties
times := []float64<<times>>
////
rank := func(time float64) int {
	smaller := 0
	for _, other := range times {
		if other < time {
			smaller++
		}
	}
	return 1 + smaller
}
////
ranks := []int{}
for _, time := range times {
	ranks = append(ranks, rank(time))
}
////
podium := []int{}
for i, place := range ranks {
	if place <= 3 {
		podium = append(podium, i)
	}
}
////
sort.Slice(podium, func(i, j int) bool {
	a, b := podium[i], podium[j]
	if ranks[a] != ranks[b] {
		return ranks[a] < ranks[b]
	}
	return a > b
})
////
printJson(podium)

//// ring_neighbours
ring := []int<<ring>>
////
n := len(ring)
sums := []int{}
for i := range ring {
	sums = append(sums, ring[(i+n-1)%n]+ring[i]+ring[(i+1)%n])
}
////
place := 0
for i, sum := range sums {
	if sum > sums[place] {
		place = i
	}
}
////
printJson(place)

//// rolling_window_peaks
readings := []int<<readings>>
size := <<size>>
////
window_mean := func(i int) float64 {
	total := 0
	for _, reading := range readings[i-size : i] {
		total += reading
	}
	return float64(total) / float64(size)
}
////
peaks := []int{}
for i := size; i < len(readings); i++ {
	if float64(readings[i]) > window_mean(i) {
		peaks = append(peaks, i)
	}
}
////
printJson(peaks)

//// seat_rows
people := []string<<people>>
////
rows := [][]string{}
for i, person := range people {
	if i%<<width>> == 0 {
		rows = append(rows, []string{})
	}
	rows[len(rows)-1] = append(rows[len(rows)-1], person)
}
////
aisle := []string{}
for _, row := range rows {
	aisle = append(aisle, row[len(row)-1])
}
////
printJson(aisle)

//// shadow_lengths
street := []int<<street>>
////
visible := []int{}
for i := len(street) - 1; i >= 0; i-- {
	if len(visible) == 0 || street[i] > visible[len(visible)-1] {
		visible = append(visible, street[i])
	}
}
////
for i, j := 0, len(visible)-1; i < j; i, j = i+1, j-1 {
	visible[i], visible[j] = visible[j], visible[i]
}
printJson(visible)

//// spare_parts
needed := []string<<needed>>
stock := []string<<stock>>
////
shelf := append([]string{}, stock...)
////
missing := []string{}
for _, part := range needed {
	at := 0
	for at < len(shelf) && shelf[at] != part {
		at++
	}
	if at < len(shelf) {
		shelf = append(shelf[:at], shelf[at+1:]...)
	} else {
		missing = append(missing, part)
	}
}
////
printJson(missing)

//// stair_heights
heights := []int<<heights>>
////
levels := []int{}
for i, height := range heights {
	if i == 0 || height != heights[i-1] {
		levels = append(levels, height)
	}
}
////
steps := []int{}
for i := 1; i < len(levels); i++ {
	steps = append(steps, levels[i]-levels[i-1])
}
////
climbs := []int{}
for _, step := range steps {
	if step > 0 {
		climbs = append(climbs, step)
	}
}
////
total := 0
for _, climb := range climbs {
	total += climb
}
printJson(len(climbs), total)

//// tournament_bracket
players := []int<<players>>
////
func play_round(players []int) []int {
	winners := []int{}
	for i := 0; i < len(players); i += 2 {
		winner := players[i]
		if i+1 < len(players) {
			winner -= players[i+1]
			if winner < 0 {
				winner = -winner
			}
		}
		winners = append(winners, winner)
	}
	return winners
}
////
rounds := 0
for len(players) > 1 {
	players = play_round(players)
	rounds += 1
}
////
printJson(players[0], rounds)

//// zigzag_check
values := []int<<values>>
////
kept := []int{values[0]}
////
for _, value := range values[1:] {
	last := kept[len(kept)-1]
	up := len(kept)%2 == 1
	if (up && value > last) || (!up && value < last) {
		kept = append(kept, value)
	}
}
////
printJson(kept)

//// encoding_categories
labels := []string<<labels>>
////
kinds := []string{}
seen := map[string]bool{}
for _, label := range labels {
	if !seen[label] {
		kinds = append(kinds, label)
	}
	seen[label] = true
}
sort.Strings(kinds)
////
rows := [][]int{}
for _, label := range labels {
	row := make([]int, len(kinds))
	for i, kind := range kinds {
		if kind == label {
			row[i] = 1
		}
	}
	rows = append(rows, row)
}
////
for i := range rows {
	rows[i] = rows[i][1:]
}
printJson(rows)

//// histogram_text
data := []int<<data>>
width := <<width>>
////
bins := []int{}
for _, value := range data {
	bins = append(bins, value/width)
}
////
counts := []int{}
for _, bin := range bins {
	for len(counts) <= bin {
		counts = append(counts, 0)
	}
	counts[bin]++
}
////
printJson(counts)

//// moving_median
points := []int<<points>>
////
func median3(a, b, c int) int {
	numbers := []int{a, b, c}
	sort.Ints(numbers)
	return numbers[1]
}
////
smooth := append([]int{}, points...)
for i := 1; i < len(points)-1; i++ {
	smooth[i] = median3(points[i-1], points[i], points[i+1])
}
////
changed, largest := 0, smooth[0]
for i, value := range smooth {
	if value != points[i] {
		changed++
	}
	if value > largest {
		largest = value
	}
}
printJson(changed, largest)

//// percentile_rank
scores := []int<<scores>>
mine := <<mine>>
////
below, equal := 0, 0
for _, score := range scores {
	if score < mine {
		below++
	}
	if score == mine {
		equal++
	}
}
////
rank := math.Round((float64(below)+float64(equal)/2)/float64(len(scores))*1000) / 10
printJson(rank)

//// rank_transform
values := []int<<values>>
////
rank := func(value int) float64 {
	smaller, same := 0, 0
	for _, other := range values {
		if other < value {
			smaller++
		}
		if other == value {
			same++
		}
	}
	return float64(smaller) + float64(same+1)/2
}
////
ranks := []float64{}
for _, value := range values {
	ranks = append(ranks, rank(value))
}
printJson(ranks)

//// trimmed_average
marks := []int<<marks>>
sort.Ints(marks)
////
middle := marks[<<cut>> : len(marks)-<<cut>>]
////
total := 0
for _, mark := range middle {
	total += mark
}
average := math.Round(float64(total)/float64(len(middle))*100) / 100
////
printJson(average)

//// base_change_check
number := <<number>>
base := <<base>>
////
func digits_of(value, base int) []int {
	if value == 0 {
		return []int{0}
	}
	digits := []int{}
	for ; value > 0; value /= base {
		digits = append([]int{value % base}, digits...)
	}
	return digits
}
////
digits := digits_of(number, base)
////
sum := 0
same := true
for i, digit := range digits {
	sum += digit
	same = same && digit == digits[len(digits)-1-i]
}
printJson(len(digits), sum, same)

//// bus_meeting
intervals := []int<<intervals>>
////
together := 1
for _, interval := range intervals {
	a, b := together, interval
	for b != 0 {
		a, b = b, a%b
	}
	together = together / a * interval
}
////
hours := together / 60
minutes := together % 60
////
printJson(fmt.Sprintf("%d:%02d", hours, minutes))

//// candle_heights
first := <<first>>
second := <<second>>
////
slow := <<slow>>
fast := <<fast>>
////
func height(start, rate, hours int) int {
	left := start - rate*hours
	if left < 0 {
		return 0
	}
	return left
}
////
hours := 0
for height(second, fast, hours) > height(first, slow, hours) {
	hours += 1
}
////
printJson(hours, height(first, slow, hours))

//// clock_hands
hour := <<hour>>
minute := <<minute>>
////
minute_angle := 6 * float64(minute)
////
hour_angle := 30*float64(hour%12) + 0.5*float64(minute)
////
difference := math.Abs(hour_angle - minute_angle)
////
printJson(math.Min(difference, 360-difference))

//// digit_mountain
number := <<number>>
////
odd := []int{}
for _, digit := range strconv.Itoa(number) {
	if int(digit-'0')%2 == 1 {
		odd = append(odd, int(digit-'0'))
	}
}
////
product := 1
for _, digit := range odd {
	product *= digit
}
////
printJson(product)

//// discount_steps
price := <<price>>
quantity := <<quantity>>
////
percent := 0
if quantity >= 100 {
	percent = 12
} else if quantity >= 50 {
	percent = 8
} else if quantity >= 10 {
	percent = 5
}
////
total := price * quantity * (100 - percent) / 100
////
printJson(total)

//// happy_digits
n := <<n>>
func reduce_once(number int) int {
	total := 0
	for ; number > 0; number /= 10 {
		total += (number % 10) * (number % 10)
	}
	return total
}
////
result := n
for time := 0; time < <<times>>; time++ {
	result = reduce_once(result)
}
////
printJson(result)

//// lamp_switches
lamps := make([]bool, <<lamps>>)
////
for _, step := range []int<<steps>> {
	for position := step; position <= len(lamps); position += step {
		lamps[position-1] = !lamps[position-1]
	}
}
////
on := 0
for _, lamp := range lamps {
	if lamp {
		on++
	}
}
printJson(on)

//// looping_sequence
start := <<start>>
////
func follow(n int) int {
	if n%3 == 0 {
		return n / 3
	}
	return (2*n + 1) % 100
}
////
path := []int{}
at := map[int]int{}
for n := start; ; n = follow(n) {
	if _, found := at[n]; found {
		break
	}
	at[n] = len(path)
	path = append(path, n)
}
////
back := follow(path[len(path)-1])
////
cycle := len(path) - at[back]
////
largest := 0
for _, n := range path {
	if n > largest {
		largest = n
	}
}
printJson(len(path), cycle, largest)

//// overlapping_discs
discs := [][]int<<discs>>
////
func touching(a, b []int) bool {
	dx, dy, reach := a[0]-b[0], a[1]-b[1], a[2]+b[2]
	return dx*dx+dy*dy <= reach*reach
}
////
contacts := make([]int, len(discs))
for i, one := range discs {
	for j, other := range discs {
		if i != j && touching(one, other) {
			contacts[i]++
		}
	}
}
////
printJson(contacts)

//// perfect_rectangle
area := <<area>>
////
pairs := [][]int{}
for side := 1; side*side <= area; side++ {
	if area%side == 0 {
		pairs = append(pairs, []int{side, area / side})
	}
}
////
best := pairs[0]
for _, pair := range pairs {
	if pair[1]-pair[0] < best[1]-best[0] {
		best = pair
	}
}
////
perimeter := 2 * (best[0] + best[1])
////
printJson(len(pairs), perimeter)

//// polynomial_slope
coefficients := []int<<coefficients>>
////
func evaluate(terms []int, x int) int {
	value := 0
	for i := len(terms) - 1; i >= 0; i-- {
		value = value*x + terms[i]
	}
	return value
}
////
slope := []int{}
for i := 1; i < len(coefficients); i++ {
	slope = append(slope, i*coefficients[i])
}
////
printJson(evaluate(coefficients, <<x>>), evaluate(slope, <<x>>))

//// savings_plan
deposit := float64(<<deposit>>)
rate := float64(<<rate>>)
////
goal := float64(<<goal>>)
balance := 0.0
years := 0
////
for balance < goal {
	balance += deposit
	balance += balance * rate / 100
	years += 1
}
////
printJson(years)

//// sum_of_three_squares
target := <<target>>
////
roots := []int{}
for root := 0; root*root <= target; root++ {
	roots = append(roots, root)
}
////
triples := [][]int{}
for _, a := range roots {
	for _, b := range roots[a:] {
		for _, c := range roots[b:] {
			if a*a+b*b+c*c == target {
				triples = append(triples, []int{a, b, c})
			}
		}
	}
}
////
printJson(triples)

//// ticket_numbers
first := <<first>>
last := <<last>>
////
func lucky(number int) bool {
	digits := fmt.Sprintf("%06d", number)
	sum := func(text string) int {
		total := 0
		for _, digit := range text {
			total += int(digit - '0')
		}
		return total
	}
	return sum(digits[:3]) == sum(digits[3:])
}
////
found := 0
for number := first; number <= last; number++ {
	if lucky(number) {
		found++
	}
}
printJson(found)

//// tile_floor
length := <<length>>
width := <<width>>
tile := <<tile>>
////
along := (length + tile - 1) / tile
across := (width + tile - 1) / tile
////
full := (length / tile) * (width / tile)
////
printJson(along*across - full)

//// triangle_kinds
sides := []int<<sides>>
sort.Ints(sides)
////
square := sides[0]*sides[0] + sides[1]*sides[1] - sides[2]*sides[2]
////
kind := func() string {
	switch {
	case sides[0]+sides[1] <= sides[2]:
		return "none"
	case square == 0:
		return "right"
	case square > 0:
		return "acute"
	}
	return "obtuse"
}
////
printJson(kind())

//// alphabet_coverage
sentence := <<sentence>>
////
used := map[rune]bool{}
for _, letter := range strings.ToLower(sentence) {
	if letter >= 'a' && letter <= 'z' {
		used[letter] = true
	}
}
////
unused := ""
for letter := 'a'; letter <= 'z'; letter++ {
	if !used[letter] {
		unused += string(letter)
	}
}
////
printJson(unused)

//// bracket_depth
text := <<text>>
////
depths := []int{}
depth := 0
for _, character := range text {
	if character == '(' {
		depth += 1
	}
	if character == ')' {
		depth -= 1
	}
	depths = append(depths, depth)
}
////
valid := depth == 0
for _, each := range depths {
	valid = valid && each >= 0
}
////
largest := 0
for _, each := range depths {
	if each > largest {
		largest = each
	}
}
if !valid {
	largest = -1
}
printJson(largest)

//// caesar_with_digits
text := <<text>>
key := <<key>>
////
shift := func(character rune) rune {
	if character >= 'a' && character <= 'z' {
		return 'a' + (character-'a'+rune(key))%26
	}
	if character >= '0' && character <= '9' {
		return '0' + (character-'0'+rune(key))%10
	}
	return character
}
////
secret := strings.Map(shift, text)
////
printJson(secret)

//// column_letters
func to_number(letters string) int {
	number := 0
	for _, letter := range letters {
		number = number*26 + int(letter-'A') + 1
	}
	return number
}
////
func to_letters(number int) string {
	letters := ""
	for number > 0 {
		letters = string(rune('A'+(number-1)%26)) + letters
		number = (number - 1) / 26
	}
	return letters
}
////
column := <<column>>
offset := <<offset>>
////
printJson(to_letters(to_number(column) + offset))

//// common_ending
words := []string<<words>>
////
limit := len(words[0])
for _, word := range words {
	if len(word) < limit {
		limit = len(word)
	}
}
////
size := 0
for tail := 1; tail <= limit; tail++ {
	ending := words[0][len(words[0])-tail:]
	same := true
	for _, word := range words {
		same = same && strings.HasSuffix(word, ending)
	}
	if !same {
		break
	}
	size = tail
}
////
printJson(words[0][len(words[0])-size:])

//// letter_ladder
words := []string<<words>>
////
func distance(a, b string) int {
	if len(a) > len(b) {
		a, b = b, a
	}
	different := len(b) - len(a)
	for i := range a {
		if a[i] != b[i] {
			different++
		}
	}
	return different
}
////
steps := []int{}
for i := 1; i < len(words); i++ {
	steps = append(steps, distance(words[i-1], words[i]))
}
////
broken := -1
for i, step := range steps {
	if step != 1 {
		broken = i
		break
	}
}
////
printJson(broken)

//// mirror_words
words := []string<<words>>
////
has_mirror := func(i int) bool {
	mirrored := ""
	for _, letter := range words[i] {
		mirrored = string(letter) + mirrored
	}
	for j, word := range words {
		if j != i && word == mirrored {
			return true
		}
	}
	return false
}
////
found := []string{}
for i, word := range words {
	if has_mirror(i) {
		found = append(found, word)
	}
}
printJson(found)

//// syllable_guess
words := []string<<words>>
////
func groups(word string) int {
	count := 0
	before := false
	for _, letter := range word {
		vowel := strings.ContainsRune("aeiouy", letter)
		if vowel && !before {
			count++
		}
		before = vowel
	}
	return count
}
////
func syllables(word string) int {
	count := groups(word)
	if strings.HasSuffix(word, "e") && count > 1 {
		count--
	}
	return count
}
////
total := 0
for _, word := range words {
	total += syllables(word)
}
printJson(total)

//// vowel_swap
word := <<word>>
////
spots := []int{}
for i, letter := range word {
	if strings.ContainsRune("aeiou", letter) {
		spots = append(spots, i)
	}
}
////
letters := []byte(word)
////
for i, spot := range spots {
	letters[spot] = word[spots[len(spots)-1-i]]
}
////
printJson(string(letters))

//// word_lengths_code
sentence := <<sentence>>
////
words := strings.Fields(sentence)
////
lengths := []string{}
for _, word := range words {
	lengths = append(lengths, strconv.Itoa(len(word)))
}
code := strings.Join(lengths, "-")
////
printJson(code)

//// secret_initials
name := <<name>>
////
parts := strings.Fields(strings.ReplaceAll(name, "-", " "))
////
initials := ""
for _, part := range parts {
	initials += strings.ToUpper(part[:1]) + "."
}
printJson(initials)

//// binary_search_trace
shelf := []int<<shelf>>
wanted := <<wanted>>
////
low := 0
high := len(shelf) - 1
seen := []int{}
////
for low <= high {
	middle := (low + high) / 2
	seen = append(seen, middle)
	if shelf[middle] == wanted {
		break
	}
	if shelf[middle] < wanted {
		low = middle + 1
	} else {
		high = middle - 1
	}
}
////
printJson(seen)

//// cheapest_path_down
rows := [][]int<<rows>>
////
func combine(row, below []int) []int {
	costs := []int{}
	for i, value := range row {
		smaller := below[i]
		if below[i+1] < smaller {
			smaller = below[i+1]
		}
		costs = append(costs, value+smaller)
	}
	return costs
}
////
costs := rows[len(rows)-1]
for r := len(rows) - 2; r >= 0; r-- {
	costs = combine(rows[r], costs)
}
////
printJson(costs[0])

//// climbing_routes
count := <<count>>
broken := map[int]bool{}
for _, step := range []int<<broken>> {
	broken[step] = true
}
////
ways := []int{1}
////
for step := 1; step <= count; step++ {
	before := 0
	for back := 1; back <= 3 && back <= step && !broken[step]; back++ {
		before += ways[step-back]
	}
	ways = append(ways, before)
}
////
printJson(ways[count])

//// dutch_auction
price := <<price>>
drop := <<drop>>
limits := []int<<limits>>
////
highest := limits[0]
for _, limit := range limits {
	if limit > highest {
		highest = limit
	}
}
for price > 0 && highest < price {
	price -= drop
}
////
buyer := -1
for i := len(limits) - 1; i >= 0 && price > 0; i-- {
	if limits[i] >= price {
		buyer = i
	}
}
////
if price < 0 {
	price = 0
}
printJson(buyer, price)

//// elevator_rides
weights := []int<<weights>>
limit := <<limit>>
////
rides := []int{}
for _, weight := range weights {
	last := len(rides) - 1
	if last >= 0 && rides[last]+weight <= limit {
		rides[last] += weight
	} else {
		rides = append(rides, weight)
	}
}
////
largest := 0
for _, ride := range rides {
	if ride > largest {
		largest = ride
	}
}
printJson(len(rides), largest)

//// shelf_of_sums
numbers := []int<<numbers>>
queries := [][]int<<queries>>
////
running := []int{0}
for _, number := range numbers {
	running = append(running, running[len(running)-1]+number)
}
////
answers := []int{}
for _, query := range queries {
	answers = append(answers, running[query[1]+1]-running[query[0]])
}
printJson(answers)

//// sorting_swaps
cards := []int<<cards>>
swaps := 0
////
for i := range cards {
	smallest := i
	for j := i + 1; j < len(cards); j++ {
		if cards[j] < cards[smallest] {
			smallest = j
		}
	}
	if smallest != i {
		cards[i], cards[smallest] = cards[smallest], cards[i]
		swaps += 1
	}
}
////
printJson(swaps)

//// spaced_picks
values := []int<<values>>
////
take := 0
skip := 0
////
for _, value := range values {
	before := take
	take = skip + value
	if before > skip {
		skip = before
	}
}
////
larger := take
if skip > larger {
	larger = skip
}
printJson(larger)

//// two_pointer_budget
prices := []int<<prices>>
sort.Ints(prices)
budget := <<budget>>
////
low := 0
high := len(prices) - 1
best := 0
////
for low < high {
	total := prices[low] + prices[high]
	if total > budget {
		high -= 1
	} else {
		if total > best {
			best = total
		}
		low += 1
	}
}
////
printJson(best)

//// thermostat_rules
type Heater struct {
	low, high int
	on        bool
	switches  int
}
////
func update(heater *Heater, temperature int) {
	if !heater.on && temperature < heater.low {
		heater.on = true
		heater.switches += 1
	} else if heater.on && temperature > heater.high {
		heater.on = false
		heater.switches += 1
	}
}
////
heater := Heater{low: <<low>>, high: <<high>>}
minutes := 0
for _, temperature := range []int<<temperatures>> {
	update(&heater, temperature)
	if heater.on {
		minutes += 1
	}
}
////
printJson(heater.switches, minutes)

//// turnstile
type Turnstile struct {
	open   bool
	passed int
}
////
func handle(turnstile *Turnstile, action string) {
	if action == "coin" {
		turnstile.open = true
	} else if turnstile.open {
		turnstile.passed += 1
		turnstile.open = false
	}
}
////
gate := Turnstile{}
for _, action := range []string<<actions>> {
	handle(&gate, action)
}
////
printJson(gate.passed, gate.open)
