//// header
static String toJson(Object value) {
    if (value instanceof Collection) {
        return ((Collection<?>) value).stream().map(Main::toJson).collect(Collectors.joining(", ", "[", "]"));
    }
    if (value != null && value.getClass().isArray()) {
        return IntStream.range(0, java.lang.reflect.Array.getLength(value))
            .mapToObj(i -> toJson(java.lang.reflect.Array.get(value, i)))
            .collect(Collectors.joining(", ", "[", "]"));
    }
    if (value instanceof String || value instanceof Character) {
        return '"' + value.toString().replace("\\", "\\\\").replace("\"", "\\\"") + '"';
    }
    return String.valueOf(value);
}

static void printJson(Object value) {
    System.out.println(toJson(value));
}

//// balancing_index
int[] weights = <<weights>>;
////
IntUnaryOperator gap = p -> {
    int before = Arrays.stream(weights, 0, p).sum();
    int after = Arrays.stream(weights, p, weights.length).sum();
    return Math.abs(before - after);
};
////
int best = 0;
for (int p = 1; p <= weights.length; p++) {
    if (gap.applyAsInt(p) < gap.applyAsInt(best)) best = p;
}
////
printJson(List.of(best, gap.applyAsInt(best)));

//// checkerboard_sums
int[][] board = <<board>>;
////
int white = 0;
for (int r = 0; r < board.length; r++) {
    for (int c = 0; c < board[r].length; c++) {
        if ((r + c) % 2 == 0) white += board[r][c];
    }
}
////
int black = Arrays.stream(board).mapToInt(row -> Arrays.stream(row).sum()).sum() - white;
////
printJson(white - black);

//// garden_fence
int[] posts = <<posts>>;
////
List<Integer> gaps = new ArrayList<>();
for (int i = 1; i < posts.length; i++) gaps.add(Math.abs(posts[i] - posts[i - 1]));
////
printJson(gaps.isEmpty() ? 0 : Collections.max(gaps));

//// longest_dry_spell
double[] rain = <<rain>>;
////
List<Boolean> dry = new ArrayList<>();
for (double amount : rain) dry.add(amount < 1);
////
int spell = 0;
int current = 0;
for (boolean day : dry) {
    current = day ? current + 1 : 0;
    spell = Math.max(spell, current);
}
////
printJson(spell);

//// missing_page_numbers
List<Integer> pages = Arrays.asList(new Integer[] <<pages>>);
////
List<Integer> lost = new ArrayList<>();
for (int page = Collections.min(pages); page < Collections.max(pages); page++) {
    if (!pages.contains(page)) lost.add(page);
}
////
List<int[]> ranges = new ArrayList<>();
for (int page : lost) {
    int last = ranges.size() - 1;
    if (last >= 0 && ranges.get(last)[1] == page - 1) ranges.get(last)[1] = page;
    else ranges.add(new int[] {page, page});
}
////
printJson(ranges);

//// museum_map
int[][] grid = <<grid>>;
////
int height = grid.length;
int width = grid[0].length;
int[][] mirrored = new int[height][width];
for (int r = 0; r < height; r++) {
    for (int c = 0; c < width; c++) mirrored[r][c] = grid[r][width - 1 - c];
}
////
int[][] turned = new int[width][height];
for (int r = 0; r < height; r++) {
    for (int c = 0; c < width; c++) turned[c][r] = mirrored[r][c];
}
////
int[] ends = IntStream.concat(Arrays.stream(turned[0]), Arrays.stream(turned[width - 1])).toArray();
////
printJson(ends);

//// nearest_charging_point
int[] houses = <<houses>>;
int[] points = <<points>>;
////
IntUnaryOperator nearest = house -> {
    int found = points[0];
    for (int point : points) {
        int closer = Math.abs(point - house) - Math.abs(found - house);
        if (closer < 0 || (closer == 0 && point < found)) found = point;
    }
    return found;
};
////
int[] chosen = Arrays.stream(houses).map(nearest).toArray();
////
List<Long> load = new ArrayList<>();
for (int point : points) load.add(Arrays.stream(chosen).filter(each -> each == point).count());
////
printJson(load);

//// paired_socks_by_size
int[] socks = <<socks>>;
Arrays.sort(socks);
////
int pairs = 0;
List<Integer> single = new ArrayList<>();
int i = 0;
////
while (i < socks.length) {
    if (i + 1 < socks.length && socks[i] == socks[i + 1]) {
        pairs += 1;
        i += 2;
    } else {
        single.add(socks[i]);
        i += 1;
    }
}
////
List<Integer> answer = new ArrayList<>(List.of(pairs));
answer.addAll(single);
printJson(answer);

//// podium_with_ties
double[] times = <<times>>;
////
ToIntFunction<Double> rank = time -> {
    int smaller = 0;
    for (double other : times) {
        if (other < time) smaller++;
    }
    return 1 + smaller;
};
////
List<Integer> ranks = new ArrayList<>();
for (double time : times) ranks.add(rank.applyAsInt(time));
////
List<Integer> podium = new ArrayList<>();
for (int i = 0; i < ranks.size(); i++) {
    if (ranks.get(i) <= 3) podium.add(i);
}
////
podium.sort((a, b) -> ranks.get(a).equals(ranks.get(b)) ? b - a : ranks.get(a) - ranks.get(b));
////
printJson(podium);

//// ring_neighbours
int[] ring = <<ring>>;
////
int n = ring.length;
int[] sums = new int[n];
for (int i = 0; i < n; i++) sums[i] = ring[(i + n - 1) % n] + ring[i] + ring[(i + 1) % n];
////
int place = 0;
for (int i = 1; i < n; i++) {
    if (sums[i] > sums[place]) place = i;
}
////
printJson(place);

//// rolling_window_peaks
int[] readings = <<readings>>;
int size = <<size>>;
////
IntToDoubleFunction window_mean = i -> {
    double total = 0;
    for (int j = i - size; j < i; j++) total += readings[j];
    return total / size;
};
////
List<Integer> peaks = new ArrayList<>();
for (int i = size; i < readings.length; i++) {
    if (readings[i] > window_mean.applyAsDouble(i)) peaks.add(i);
}
////
printJson(peaks);

//// seat_rows
List<String> people = Arrays.asList(new String[] <<people>>);
////
List<List<String>> rows = new ArrayList<>();
for (int i = 0; i < people.size(); i += <<width>>) {
    rows.add(people.subList(i, Math.min(i + <<width>>, people.size())));
}
////
List<String> aisle = new ArrayList<>();
for (List<String> row : rows) aisle.add(row.get(row.size() - 1));
////
printJson(aisle);

//// shadow_lengths
int[] street = <<street>>;
////
List<Integer> visible = new ArrayList<>();
for (int i = street.length - 1; i >= 0; i--) {
    if (visible.isEmpty() || street[i] > visible.get(visible.size() - 1)) visible.add(street[i]);
}
////
Collections.reverse(visible);
printJson(visible);

//// spare_parts
List<String> needed = Arrays.asList(new String[] <<needed>>);
List<String> stock = Arrays.asList(new String[] <<stock>>);
////
List<String> shelf = new ArrayList<>(stock);
////
List<String> missing = new ArrayList<>();
for (String part : needed) {
    if (!shelf.remove(part)) missing.add(part);
}
////
printJson(missing);

//// stair_heights
int[] heights = <<heights>>;
////
List<Integer> levels = new ArrayList<>();
for (int i = 0; i < heights.length; i++) {
    if (i == 0 || heights[i] != heights[i - 1]) levels.add(heights[i]);
}
////
List<Integer> steps = new ArrayList<>();
for (int i = 1; i < levels.size(); i++) steps.add(levels.get(i) - levels.get(i - 1));
////
List<Integer> climbs = steps.stream().filter(step -> step > 0).collect(Collectors.toList());
////
printJson(List.of(climbs.size(), climbs.stream().mapToInt(climb -> climb).sum()));

//// tournament_bracket
int[] players = <<players>>;
////
static int[] play_round(int[] players) {
    int[] winners = new int[(players.length + 1) / 2];
    for (int i = 0; i < players.length; i += 2) {
        boolean alone = i + 1 == players.length;
        winners[i / 2] = alone ? players[i] : Math.abs(players[i] - players[i + 1]);
    }
    return winners;
}
////
int rounds = 0;
while (players.length > 1) {
    players = play_round(players);
    rounds += 1;
}
////
printJson(List.of(players[0], rounds));

//// zigzag_check
int[] values = <<values>>;
////
List<Integer> kept = new ArrayList<>();
kept.add(values[0]);
////
for (int i = 1; i < values.length; i++) {
    int last = kept.get(kept.size() - 1);
    if (kept.size() % 2 == 1 ? values[i] > last : values[i] < last) kept.add(values[i]);
}
////
printJson(kept);

//// encoding_categories
List<String> labels = Arrays.asList(new String[] <<labels>>);
////
List<String> kinds = new ArrayList<>(new TreeSet<>(labels));
////
List<List<Integer>> rows = new ArrayList<>();
for (String label : labels) {
    List<Integer> row = new ArrayList<>();
    for (String kind : kinds) row.add(kind.equals(label) ? 1 : 0);
    rows.add(row);
}
////
for (List<Integer> row : rows) row.remove(0);
printJson(rows);

//// histogram_text
int[] data = <<data>>;
int width = <<width>>;
////
int[] bins = Arrays.stream(data).map(value -> value / width).toArray();
////
int[] counts = new int[Arrays.stream(bins).max().getAsInt() + 1];
for (int bin : bins) counts[bin]++;
////
printJson(counts);

//// moving_median
int[] points = <<points>>;
////
static int median3(int a, int b, int c) {
    return Math.max(Math.min(a, b), Math.min(Math.max(a, b), c));
}
////
int[] smooth = points.clone();
for (int i = 1; i < points.length - 1; i++) {
    smooth[i] = median3(points[i - 1], points[i], points[i + 1]);
}
////
int changed = 0;
for (int i = 0; i < points.length; i++) {
    if (smooth[i] != points[i]) changed++;
}
printJson(List.of(changed, Arrays.stream(smooth).max().getAsInt()));

//// percentile_rank
int[] scores = <<scores>>;
int mine = <<mine>>;
////
long below = Arrays.stream(scores).filter(score -> score < mine).count();
long equal = Arrays.stream(scores).filter(score -> score == mine).count();
////
double rank = Math.round((below + equal / 2.0) / scores.length * 1000) / 10.0;
printJson(rank);

//// rank_transform
int[] values = <<values>>;
////
IntToDoubleFunction rank = value -> {
    long smaller = Arrays.stream(values).filter(other -> other < value).count();
    long same = Arrays.stream(values).filter(other -> other == value).count();
    return smaller + (same + 1) / 2.0;
};
////
printJson(Arrays.stream(values).mapToDouble(rank).toArray());

//// trimmed_average
int[] marks = <<marks>>;
Arrays.sort(marks);
////
int[] middle = Arrays.copyOfRange(marks, <<cut>>, marks.length - <<cut>>);
////
double average = Math.round(Arrays.stream(middle).average().getAsDouble() * 100) / 100.0;
////
printJson(average);

//// base_change_check
int number = <<number>>;
int base = <<base>>;
////
static List<Integer> digits_of(int value, int base) {
    LinkedList<Integer> digits = new LinkedList<>();
    do {
        digits.addFirst(value % base);
        value /= base;
    } while (value > 0);
    return digits;
}
////
List<Integer> digits = digits_of(number, base);
////
List<Integer> reversed = new ArrayList<>(digits);
Collections.reverse(reversed);
int sum = digits.stream().mapToInt(digit -> digit).sum();
printJson(List.of(digits.size(), sum, digits.equals(reversed)));

//// bus_meeting
long[] intervals = <<intervals>>;
////
long together = 1;
for (long interval : intervals) {
    long a = together;
    long b = interval;
    while (b != 0) {
        long rest = a % b;
        a = b;
        b = rest;
    }
    together = together / a * interval;
}
////
long hours = together / 60;
long minutes = together % 60;
////
printJson(String.format("%d:%02d", hours, minutes));

//// candle_heights
int first = <<first>>;
int second = <<second>>;
////
int slow = <<slow>>;
int fast = <<fast>>;
////
static int height(int start, int rate, int hours) {
    return Math.max(0, start - rate * hours);
}
////
int hours = 0;
while (height(second, fast, hours) > height(first, slow, hours)) hours += 1;
////
printJson(List.of(hours, height(first, slow, hours)));

//// clock_hands
int hour = <<hour>>;
int minute = <<minute>>;
////
double minute_angle = 6 * minute;
////
double hour_angle = 30 * (hour % 12) + 0.5 * minute;
////
double difference = Math.abs(hour_angle - minute_angle);
////
printJson(Math.min(difference, 360 - difference));

//// digit_mountain
long number = <<number>>;
////
List<Integer> odd = new ArrayList<>();
for (char digit : String.valueOf(number).toCharArray()) {
    if ((digit - '0') % 2 == 1) odd.add(digit - '0');
}
////
long product = 1;
for (int digit : odd) product *= digit;
////
printJson(product);

//// discount_steps
long price = <<price>>;
long quantity = <<quantity>>;
////
int percent = 0;
if (quantity >= 100) percent = 12;
else if (quantity >= 50) percent = 8;
else if (quantity >= 10) percent = 5;
////
long total = price * quantity * (100 - percent) / 100;
////
printJson(total);

//// happy_digits
int n = <<n>>;
static int reduce_once(int number) {
    int total = 0;
    for (; number > 0; number /= 10) total += (number % 10) * (number % 10);
    return total;
}
////
int result = n;
for (int time = 0; time < <<times>>; time++) result = reduce_once(result);
////
printJson(result);

//// lamp_switches
boolean[] lamps = new boolean[<<lamps>>];
////
int[] steps = <<steps>>;
for (int step : steps) {
    for (int position = step; position <= lamps.length; position += step) {
        lamps[position - 1] = !lamps[position - 1];
    }
}
////
int on = 0;
for (boolean lamp : lamps) {
    if (lamp) on++;
}
printJson(on);

//// looping_sequence
int start = <<start>>;
////
static int follow(int n) {
    return n % 3 == 0 ? n / 3 : (2 * n + 1) % 100;
}
////
List<Integer> path = new ArrayList<>();
for (int n = start; !path.contains(n); n = follow(n)) path.add(n);
////
int back = follow(path.get(path.size() - 1));
////
int cycle = path.size() - path.indexOf(back);
////
printJson(List.of(path.size(), cycle, Collections.max(path)));

//// overlapping_discs
int[][] discs = <<discs>>;
////
static boolean touching(int[] a, int[] b) {
    int dx = a[0] - b[0];
    int dy = a[1] - b[1];
    int reach = a[2] + b[2];
    return dx * dx + dy * dy <= reach * reach;
}
////
int[] contacts = new int[discs.length];
for (int i = 0; i < discs.length; i++) {
    for (int j = 0; j < discs.length; j++) {
        if (i != j && touching(discs[i], discs[j])) contacts[i]++;
    }
}
////
printJson(contacts);

//// perfect_rectangle
int area = <<area>>;
////
List<int[]> pairs = new ArrayList<>();
for (int side = 1; side * side <= area; side++) {
    if (area % side == 0) pairs.add(new int[] {side, area / side});
}
////
int[] best = pairs.get(0);
for (int[] pair : pairs) {
    if (pair[1] - pair[0] < best[1] - best[0]) best = pair;
}
////
int perimeter = 2 * (best[0] + best[1]);
////
printJson(List.of(pairs.size(), perimeter));

//// polynomial_slope
int[] coefficients = <<coefficients>>;
////
static int evaluate(int[] terms, int x) {
    int value = 0;
    for (int i = terms.length - 1; i >= 0; i--) value = value * x + terms[i];
    return value;
}
////
int[] slope = new int[Math.max(0, coefficients.length - 1)];
for (int i = 1; i < coefficients.length; i++) slope[i - 1] = i * coefficients[i];
////
printJson(List.of(evaluate(coefficients, <<x>>), evaluate(slope, <<x>>)));

//// savings_plan
double deposit = <<deposit>>;
double rate = <<rate>>;
////
double goal = <<goal>>;
double balance = 0;
int years = 0;
////
while (balance < goal) {
    balance += deposit;
    balance += balance * rate / 100;
    years += 1;
}
////
printJson(years);

//// sum_of_three_squares
int target = <<target>>;
////
List<Integer> roots = new ArrayList<>();
for (int root = 0; root * root <= target; root++) roots.add(root);
////
List<List<Integer>> triples = new ArrayList<>();
for (int a : roots) {
    for (int b : roots) {
        for (int c : roots) {
            boolean ordered = a <= b && b <= c;
            if (ordered && a * a + b * b + c * c == target) triples.add(List.of(a, b, c));
        }
    }
}
////
printJson(triples);

//// ticket_numbers
int first = <<first>>;
int last = <<last>>;
////
static boolean lucky(int number) {
    int left = 0;
    int right = 0;
    for (int place = 0; place < 6; place++) {
        if (place < 3) right += number % 10;
        else left += number % 10;
        number /= 10;
    }
    return left == right;
}
////
int found = 0;
for (int number = first; number <= last; number++) {
    if (lucky(number)) found++;
}
printJson(found);

//// tile_floor
int length = <<length>>;
int width = <<width>>;
int tile = <<tile>>;
////
int along = (length + tile - 1) / tile;
int across = (width + tile - 1) / tile;
////
int full = (length / tile) * (width / tile);
////
printJson(along * across - full);

//// triangle_kinds
int[] sides = <<sides>>;
Arrays.sort(sides);
////
int square = sides[0] * sides[0] + sides[1] * sides[1] - sides[2] * sides[2];
////
Supplier<String> kind = () -> {
    if (sides[0] + sides[1] <= sides[2]) return "none";
    if (square == 0) return "right";
    return square > 0 ? "acute" : "obtuse";
};
////
printJson(kind.get());

//// alphabet_coverage
String sentence = <<sentence>>;
////
Set<Character> used = new HashSet<>();
for (char letter : sentence.toLowerCase().toCharArray()) {
    if (letter >= 'a' && letter <= 'z') used.add(letter);
}
////
StringBuilder unused = new StringBuilder();
for (char letter = 'a'; letter <= 'z'; letter++) {
    if (!used.contains(letter)) unused.append(letter);
}
////
printJson(unused.toString());

//// bracket_depth
String text = <<text>>;
////
List<Integer> depths = new ArrayList<>();
int depth = 0;
for (char character : text.toCharArray()) {
    if (character == '(') depth += 1;
    if (character == ')') depth -= 1;
    depths.add(depth);
}
////
boolean valid = depth == 0 && depths.stream().allMatch(each -> each >= 0);
////
int largest = depths.isEmpty() ? 0 : Collections.max(depths);
printJson(valid ? largest : -1);

//// caesar_with_digits
String text = <<text>>;
int key = <<key>>;
////
IntUnaryOperator shift = character -> {
    if (character >= 'a' && character <= 'z') return 'a' + (character - 'a' + key) % 26;
    if (character >= '0' && character <= '9') return '0' + (character - '0' + key) % 10;
    return character;
};
////
StringBuilder secret = new StringBuilder();
text.chars().map(shift).forEach(character -> secret.append((char) character));
////
printJson(secret.toString());

//// column_letters
static int to_number(String letters) {
    int number = 0;
    for (char letter : letters.toCharArray()) number = number * 26 + letter - 'A' + 1;
    return number;
}
////
static String to_letters(int number) {
    String letters = "";
    while (number > 0) {
        letters = (char) ('A' + (number - 1) % 26) + letters;
        number = (number - 1) / 26;
    }
    return letters;
}
////
String column = <<column>>;
int offset = <<offset>>;
////
printJson(to_letters(to_number(column) + offset));

//// common_ending
List<String> words = Arrays.asList(new String[] <<words>>);
////
int limit = words.stream().mapToInt(String::length).min().getAsInt();
////
int size = 0;
for (int tail = 1; tail <= limit; tail++) {
    String ending = words.get(0).substring(words.get(0).length() - tail);
    if (!words.stream().allMatch(word -> word.endsWith(ending))) break;
    size = tail;
}
////
printJson(words.get(0).substring(words.get(0).length() - size));

//// letter_ladder
String[] words = <<words>>;
////
static int distance(String a, String b) {
    int different = Math.abs(a.length() - b.length());
    for (int i = 0; i < Math.min(a.length(), b.length()); i++) {
        if (a.charAt(i) != b.charAt(i)) different++;
    }
    return different;
}
////
List<Integer> steps = new ArrayList<>();
for (int i = 1; i < words.length; i++) steps.add(distance(words[i - 1], words[i]));
////
int broken = -1;
for (int i = steps.size() - 1; i >= 0; i--) {
    if (steps.get(i) != 1) broken = i;
}
////
printJson(broken);

//// mirror_words
String[] words = <<words>>;
////
IntPredicate has_mirror = i -> {
    String mirrored = new StringBuilder(words[i]).reverse().toString();
    for (int j = 0; j < words.length; j++) {
        if (j != i && words[j].equals(mirrored)) return true;
    }
    return false;
};
////
List<String> found = new ArrayList<>();
for (int i = 0; i < words.length; i++) {
    if (has_mirror.test(i)) found.add(words[i]);
}
printJson(found);

//// syllable_guess
String[] words = <<words>>;
////
static int groups(String word) {
    int count = 0;
    boolean before = false;
    for (char letter : word.toCharArray()) {
        boolean vowel = "aeiouy".indexOf(letter) >= 0;
        if (vowel && !before) count++;
        before = vowel;
    }
    return count;
}
////
static int syllables(String word) {
    int count = groups(word);
    return word.endsWith("e") && count > 1 ? count - 1 : count;
}
////
int total = 0;
for (String word : words) total += syllables(word);
printJson(total);

//// vowel_swap
String word = <<word>>;
////
List<Integer> spots = new ArrayList<>();
for (int i = 0; i < word.length(); i++) {
    if ("aeiou".indexOf(word.charAt(i)) >= 0) spots.add(i);
}
////
char[] letters = word.toCharArray();
////
for (int i = 0; i < spots.size(); i++) {
    letters[spots.get(i)] = word.charAt(spots.get(spots.size() - 1 - i));
}
////
printJson(new String(letters));

//// word_lengths_code
String sentence = <<sentence>>;
////
List<String> words = new ArrayList<>();
for (String word : sentence.split(" ")) {
    if (!word.isEmpty()) words.add(word);
}
////
String code = words.stream().map(word -> "" + word.length()).collect(Collectors.joining("-"));
////
printJson(code);

//// secret_initials
String name = <<name>>;
////
List<String> parts = new ArrayList<>();
for (String part : name.replace('-', ' ').split(" ")) {
    if (!part.isEmpty()) parts.add(part);
}
////
String initials = "";
for (String part : parts) initials += part.substring(0, 1).toUpperCase() + ".";
printJson(initials);

//// binary_search_trace
int[] shelf = <<shelf>>;
int wanted = <<wanted>>;
////
int low = 0;
int high = shelf.length - 1;
List<Integer> seen = new ArrayList<>();
////
while (low <= high) {
    int middle = (low + high) / 2;
    seen.add(middle);
    if (shelf[middle] == wanted) break;
    if (shelf[middle] < wanted) low = middle + 1;
    else high = middle - 1;
}
////
printJson(seen);

//// cheapest_path_down
int[][] rows = <<rows>>;
////
static int[] combine(int[] row, int[] below) {
    int[] costs = new int[row.length];
    for (int i = 0; i < row.length; i++) costs[i] = row[i] + Math.min(below[i], below[i + 1]);
    return costs;
}
////
int[] costs = rows[rows.length - 1];
for (int r = rows.length - 2; r >= 0; r--) costs = combine(rows[r], costs);
////
printJson(costs[0]);

//// climbing_routes
int count = <<count>>;
Set<Integer> broken = new HashSet<>(Arrays.asList(new Integer[] <<broken>>));
////
List<Long> ways = new ArrayList<>(List.of(1L));
////
for (int step = 1; step <= count; step++) {
    long before = 0;
    for (int back = 1; back <= 3 && back <= step; back++) before += ways.get(step - back);
    ways.add(broken.contains(step) ? 0 : before);
}
////
printJson(ways.get(count));

//// dutch_auction
int price = <<price>>;
int drop = <<drop>>;
int[] limits = <<limits>>;
////
while (price > 0 && Arrays.stream(limits).max().getAsInt() < price) price -= drop;
////
int buyer = -1;
for (int i = limits.length - 1; i >= 0 && price > 0; i--) {
    if (limits[i] >= price) buyer = i;
}
////
printJson(List.of(buyer, Math.max(price, 0)));

//// elevator_rides
int[] weights = <<weights>>;
int limit = <<limit>>;
////
List<Integer> rides = new ArrayList<>();
for (int weight : weights) {
    int last = rides.size() - 1;
    if (last >= 0 && rides.get(last) + weight <= limit) rides.set(last, rides.get(last) + weight);
    else rides.add(weight);
}
////
printJson(List.of(rides.size(), rides.isEmpty() ? 0 : Collections.max(rides)));

//// shelf_of_sums
int[] numbers = <<numbers>>;
int[][] queries = <<queries>>;
////
int[] running = new int[numbers.length + 1];
for (int i = 0; i < numbers.length; i++) running[i + 1] = running[i] + numbers[i];
////
List<Integer> answers = new ArrayList<>();
for (int[] query : queries) answers.add(running[query[1] + 1] - running[query[0]]);
printJson(answers);

//// sorting_swaps
int[] cards = <<cards>>;
int swaps = 0;
////
for (int i = 0; i < cards.length - 1; i++) {
    int smallest = i;
    for (int j = i + 1; j < cards.length; j++) {
        if (cards[j] < cards[smallest]) smallest = j;
    }
    if (smallest != i) {
        int card = cards[i];
        cards[i] = cards[smallest];
        cards[smallest] = card;
        swaps += 1;
    }
}
////
printJson(swaps);

//// spaced_picks
int[] values = <<values>>;
////
int take = 0;
int skip = 0;
////
for (int value : values) {
    int before = take;
    take = skip + value;
    skip = Math.max(before, skip);
}
////
printJson(Math.max(take, skip));

//// two_pointer_budget
int[] prices = <<prices>>;
Arrays.sort(prices);
int budget = <<budget>>;
////
int low = 0;
int high = prices.length - 1;
int best = 0;
////
while (low < high) {
    int total = prices[low] + prices[high];
    if (total > budget) {
        high -= 1;
    } else {
        best = Math.max(best, total);
        low += 1;
    }
}
////
printJson(best);

//// thermostat_rules
static class Heater {
    int low;
    int high;
    boolean on = false;
    int switches = 0;

    Heater(int low, int high) {
        this.low = low;
        this.high = high;
    }
}
////
static void update(Heater heater, int temperature) {
    if (!heater.on && temperature < heater.low) {
        heater.on = true;
        heater.switches += 1;
    } else if (heater.on && temperature > heater.high) {
        heater.on = false;
        heater.switches += 1;
    }
}
////
Heater heater = new Heater(<<low>>, <<high>>);
int[] temperatures = <<temperatures>>;
int minutes = 0;
for (int temperature : temperatures) {
    update(heater, temperature);
    if (heater.on) minutes += 1;
}
////
printJson(List.of(heater.switches, minutes));

//// turnstile
static class Turnstile {
    boolean open = false;
    int passed = 0;
}
////
static void handle(Turnstile turnstile, String action) {
    if (action.equals("coin")) {
        turnstile.open = true;
    } else if (turnstile.open) {
        turnstile.passed += 1;
        turnstile.open = false;
    }
}
////
Turnstile gate = new Turnstile();
String[] actions = <<actions>>;
for (String action : actions) handle(gate, action);
////
printJson(List.of(gate.passed, gate.open));
