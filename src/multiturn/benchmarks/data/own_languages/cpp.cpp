//// header
string to_json(bool value) { return value ? "true" : "false"; }
string to_json(char value) { return '"' + string(1, value) + '"'; }
template <class T, enable_if_t<is_integral_v<T>, int> = 0> string to_json(T value) { return to_string(value); }
string to_json(double value) {
    ostringstream text;
    text << setprecision(15) << value;
    return text.str();
}
string to_json(const string& value) {
    string text = "\"";
    for (char c : value) text += (c == '"' || c == '\\') ? string("\\") + c : string(1, c);
    return text + "\"";
}
string to_json(const char* value) { return to_json(string(value)); }
template <template <class...> class List, class... T> string to_json(const List<T...>& values) {
    string text;
    for (const auto& value : values) text += (text.empty() ? "" : ", ") + to_json(value);
    return "[" + text + "]";
}
template <class... T> string json_list(const T&... values) {
    string text;
    ((text += (text.empty() ? "" : ", ") + to_json(values)), ...);
    return "[" + text + "]";
}
template <class... T> void print_json(const T&... values) {
    // One value as it is, several as a list.
    cout << (sizeof...(values) == 1 ? (to_json(values), ...) : json_list(values...)) << endl;
}

//// balancing_index
vector<int> weights = <<weights>>;
////
auto gap = [&](int p) {
    int before = accumulate(weights.begin(), weights.begin() + p, 0);
    int after = accumulate(weights.begin() + p, weights.end(), 0);
    return abs(before - after);
};
////
int best = 0;
for (int p = 1; p <= (int)weights.size(); p++) {
    if (gap(p) < gap(best)) best = p;
}
////
print_json(best, gap(best));

//// checkerboard_sums
vector<vector<int>> board = <<board>>;
////
int white = 0;
for (size_t r = 0; r < board.size(); r++) {
    for (size_t c = 0; c < board[r].size(); c++) {
        if ((r + c) % 2 == 0) white += board[r][c];
    }
}
////
int black = -white;
for (const auto& row : board) black += accumulate(row.begin(), row.end(), 0);
////
print_json(white - black);

//// garden_fence
vector<int> posts = <<posts>>;
////
vector<int> gaps;
for (size_t i = 1; i < posts.size(); i++) gaps.push_back(abs(posts[i] - posts[i - 1]));
////
print_json(gaps.empty() ? 0 : *max_element(gaps.begin(), gaps.end()));

//// longest_dry_spell
vector<double> rain = <<rain>>;
////
vector<bool> dry;
for (double amount : rain) dry.push_back(amount < 1);
////
int spell = 0, current = 0;
for (bool day : dry) {
    current = day ? current + 1 : 0;
    spell = max(spell, current);
}
////
print_json(spell);

//// missing_page_numbers
vector<int> pages = <<pages>>;
////
vector<int> lost;
int first_page = *min_element(pages.begin(), pages.end());
int last_page = *max_element(pages.begin(), pages.end());
for (int page = first_page; page < last_page; page++) {
    if (find(pages.begin(), pages.end(), page) == pages.end()) lost.push_back(page);
}
////
vector<vector<int>> ranges;
for (int page : lost) {
    if (!ranges.empty() && ranges.back()[1] == page - 1) ranges.back()[1] = page;
    else ranges.push_back({page, page});
}
////
print_json(ranges);

//// museum_map
vector<vector<int>> grid = <<grid>>;
////
vector<vector<int>> mirrored = grid;
for (auto& row : mirrored) reverse(row.begin(), row.end());
////
vector<vector<int>> turned(mirrored[0].size());
for (const auto& row : mirrored) {
    for (size_t c = 0; c < row.size(); c++) turned[c].push_back(row[c]);
}
////
vector<int> ends = turned.front();
ends.insert(ends.end(), turned.back().begin(), turned.back().end());
////
print_json(ends);

//// nearest_charging_point
vector<int> houses = <<houses>>;
vector<int> points = <<points>>;
////
auto nearest = [&](int house) {
    int found = points[0];
    for (int point : points) {
        int closer = abs(point - house) - abs(found - house);
        if (closer < 0 || (closer == 0 && point < found)) found = point;
    }
    return found;
};
////
vector<int> chosen;
for (int house : houses) chosen.push_back(nearest(house));
////
vector<int> load;
for (int point : points) load.push_back((int)count(chosen.begin(), chosen.end(), point));
////
print_json(load);

//// paired_socks_by_size
vector<int> socks = <<socks>>;
sort(socks.begin(), socks.end());
////
int pairs = 0;
vector<int> single;
size_t i = 0;
////
while (i < socks.size()) {
    if (i + 1 < socks.size() && socks[i] == socks[i + 1]) {
        pairs += 1;
        i += 2;
    } else {
        single.push_back(socks[i]);
        i += 1;
    }
}
////
vector<int> answer = {pairs};
answer.insert(answer.end(), single.begin(), single.end());
print_json(answer);

//// podium_with_ties
vector<double> times = <<times>>;
////
auto rank = [&](double time) {
    int smaller = 0;
    for (double other : times) {
        if (other < time) smaller++;
    }
    return 1 + smaller;
};
////
vector<int> ranks;
for (double time : times) ranks.push_back(rank(time));
////
vector<int> podium;
for (int i = 0; i < (int)ranks.size(); i++) {
    if (ranks[i] <= 3) podium.push_back(i);
}
////
sort(podium.begin(), podium.end(), [&](int a, int b) {
    return ranks[a] != ranks[b] ? ranks[a] < ranks[b] : a > b;
});
////
print_json(podium);

//// ring_neighbours
vector<int> ring = <<ring>>;
////
int n = ring.size();
vector<int> sums;
for (int i = 0; i < n; i++) sums.push_back(ring[(i + n - 1) % n] + ring[i] + ring[(i + 1) % n]);
////
int place = max_element(sums.begin(), sums.end()) - sums.begin();
////
print_json(place);

//// rolling_window_peaks
vector<int> readings = <<readings>>;
int size = <<size>>;
////
auto window_mean = [&](int i) {
    return accumulate(readings.begin() + i - size, readings.begin() + i, 0.0) / size;
};
////
vector<int> peaks;
for (int i = size; i < (int)readings.size(); i++) {
    if (readings[i] > window_mean(i)) peaks.push_back(i);
}
////
print_json(peaks);

//// seat_rows
vector<string> people = <<people>>;
////
vector<vector<string>> rows;
for (size_t i = 0; i < people.size(); i++) {
    if (i % <<width>> == 0) rows.push_back({});
    rows.back().push_back(people[i]);
}
////
vector<string> aisle;
for (const auto& row : rows) aisle.push_back(row.back());
////
print_json(aisle);

//// shadow_lengths
vector<int> street = <<street>>;
////
vector<int> visible;
for (int i = (int)street.size() - 1; i >= 0; i--) {
    if (visible.empty() || street[i] > visible.back()) visible.push_back(street[i]);
}
////
reverse(visible.begin(), visible.end());
print_json(visible);

//// spare_parts
vector<string> needed = <<needed>>;
vector<string> stock = <<stock>>;
////
vector<string> shelf = stock;
////
vector<string> missing;
for (const string& part : needed) {
    auto at = find(shelf.begin(), shelf.end(), part);
    if (at != shelf.end()) shelf.erase(at);
    else missing.push_back(part);
}
////
print_json(missing);

//// stair_heights
vector<int> heights = <<heights>>;
////
vector<int> levels;
for (int height : heights) {
    if (levels.empty() || height != levels.back()) levels.push_back(height);
}
////
vector<int> steps;
for (size_t i = 1; i < levels.size(); i++) steps.push_back(levels[i] - levels[i - 1]);
////
vector<int> climbs;
for (int step : steps) {
    if (step > 0) climbs.push_back(step);
}
////
print_json((int)climbs.size(), accumulate(climbs.begin(), climbs.end(), 0));

//// tournament_bracket
vector<int> players = <<players>>;
////
vector<int> play_round(const vector<int>& players) {
    vector<int> winners;
    for (size_t i = 0; i < players.size(); i += 2) {
        bool alone = i + 1 == players.size();
        winners.push_back(alone ? players[i] : abs(players[i] - players[i + 1]));
    }
    return winners;
}
////
int rounds = 0;
while (players.size() > 1) {
    players = play_round(players);
    rounds += 1;
}
////
print_json(players[0], rounds);

//// zigzag_check
vector<int> values = <<values>>;
////
vector<int> kept = {values[0]};
////
for (size_t i = 1; i < values.size(); i++) {
    bool up = kept.size() % 2 == 1;
    if (up ? values[i] > kept.back() : values[i] < kept.back()) kept.push_back(values[i]);
}
////
print_json(kept);

//// encoding_categories
vector<string> labels = <<labels>>;
////
set<string> different(labels.begin(), labels.end());
vector<string> kinds(different.begin(), different.end());
////
vector<vector<int>> rows;
for (const string& label : labels) {
    vector<int> row;
    for (const string& kind : kinds) row.push_back(kind == label ? 1 : 0);
    rows.push_back(row);
}
////
for (auto& row : rows) row.erase(row.begin());
print_json(rows);

//// histogram_text
vector<int> data = <<data>>;
int width = <<width>>;
////
vector<int> bins;
for (int value : data) bins.push_back(value / width);
////
vector<int> counts(*max_element(bins.begin(), bins.end()) + 1, 0);
for (int bin : bins) counts[bin]++;
////
print_json(counts);

//// moving_median
vector<int> points = <<points>>;
////
int median3(int a, int b, int c) {
    return max(min(a, b), min(max(a, b), c));
}
////
vector<int> smooth = points;
for (size_t i = 1; i + 1 < points.size(); i++) {
    smooth[i] = median3(points[i - 1], points[i], points[i + 1]);
}
////
int changed = 0;
for (size_t i = 0; i < points.size(); i++) changed += smooth[i] != points[i];
print_json(changed, *max_element(smooth.begin(), smooth.end()));

//// percentile_rank
vector<int> scores = <<scores>>;
int mine = <<mine>>;
////
int below = count_if(scores.begin(), scores.end(), [&](int score) { return score < mine; });
int equal = count(scores.begin(), scores.end(), mine);
////
double rank = round((below + equal / 2.0) / scores.size() * 1000) / 10;
print_json(rank);

//// rank_transform
vector<int> values = <<values>>;
////
auto rank = [&](int value) {
    int smaller = 0, same = 0;
    for (int other : values) {
        smaller += other < value;
        same += other == value;
    }
    return smaller + (same + 1) / 2.0;
};
////
vector<double> ranks;
for (int value : values) ranks.push_back(rank(value));
print_json(ranks);

//// trimmed_average
vector<int> marks = <<marks>>;
sort(marks.begin(), marks.end());
////
vector<int> middle(marks.begin() + <<cut>>, marks.end() - <<cut>>);
////
double total = accumulate(middle.begin(), middle.end(), 0.0);
double average = round(total / middle.size() * 100) / 100;
////
print_json(average);

//// base_change_check
int number = <<number>>;
int base = <<base>>;
////
vector<int> digits_of(int value, int base) {
    vector<int> digits;
    do {
        digits.insert(digits.begin(), value % base);
        value /= base;
    } while (value > 0);
    return digits;
}
////
vector<int> digits = digits_of(number, base);
////
int sum = accumulate(digits.begin(), digits.end(), 0);
bool same = equal(digits.begin(), digits.end(), digits.rbegin());
print_json((int)digits.size(), sum, same);

//// bus_meeting
vector<int> intervals = <<intervals>>;
////
long long together = 1;
for (int interval : intervals) {
    long long a = together, b = interval;
    while (b != 0) {
        long long rest = a % b;
        a = b;
        b = rest;
    }
    together = together / a * interval;
}
////
long long hours = together / 60;
long long minutes = together % 60;
////
string text = to_string(hours) + ":" + (minutes < 10 ? "0" : "") + to_string(minutes);
print_json(text);

//// candle_heights
int first = <<first>>;
int second = <<second>>;
////
int slow = <<slow>>;
int fast = <<fast>>;
////
int height(int start, int rate, int hours) {
    return max(0, start - rate * hours);
}
////
int hours = 0;
while (height(second, fast, hours) > height(first, slow, hours)) hours += 1;
////
print_json(hours, height(first, slow, hours));

//// clock_hands
int hour = <<hour>>;
int minute = <<minute>>;
////
double minute_angle = 6 * minute;
////
double hour_angle = 30 * (hour % 12) + 0.5 * minute;
////
double difference = fabs(hour_angle - minute_angle);
////
print_json(min(difference, 360 - difference));

//// digit_mountain
long long number = <<number>>;
////
vector<int> odd;
for (char c : to_string(number)) {
    if ((c - '0') % 2 == 1) odd.push_back(c - '0');
}
////
long long product = 1;
for (int digit : odd) product *= digit;
////
print_json(product);

//// discount_steps
long long price = <<price>>;
long long quantity = <<quantity>>;
////
int percent = 0;
if (quantity >= 100) percent = 12;
else if (quantity >= 50) percent = 8;
else if (quantity >= 10) percent = 5;
////
long long total = price * quantity * (100 - percent) / 100;
////
print_json(total);

//// happy_digits
int n = <<n>>;
int reduce_once(int number) {
    int total = 0;
    for (; number > 0; number /= 10) total += (number % 10) * (number % 10);
    return total;
}
////
int result = n;
for (int time = 0; time < <<times>>; time++) result = reduce_once(result);
////
print_json(result);

//// lamp_switches
vector<bool> lamps(<<lamps>>, false);
////
vector<int> steps = <<steps>>;
for (int step : steps) {
    for (size_t position = step; position <= lamps.size(); position += step) {
        lamps[position - 1] = !lamps[position - 1];
    }
}
////
print_json((int)count(lamps.begin(), lamps.end(), true));

//// looping_sequence
int start = <<start>>;
////
int follow(int n) {
    return n % 3 == 0 ? n / 3 : (2 * n + 1) % 100;
}
////
vector<int> path;
for (int n = start; find(path.begin(), path.end(), n) == path.end(); n = follow(n)) path.push_back(n);
////
int back = follow(path.back());
////
int cycle = path.end() - find(path.begin(), path.end(), back);
////
print_json((int)path.size(), cycle, *max_element(path.begin(), path.end()));

//// overlapping_discs
vector<vector<int>> discs = <<discs>>;
////
bool touching(const vector<int>& a, const vector<int>& b) {
    int dx = a[0] - b[0], dy = a[1] - b[1], reach = a[2] + b[2];
    return dx * dx + dy * dy <= reach * reach;
}
////
vector<int> contacts;
for (size_t i = 0; i < discs.size(); i++) {
    int others = 0;
    for (size_t j = 0; j < discs.size(); j++) {
        if (i != j && touching(discs[i], discs[j])) others++;
    }
    contacts.push_back(others);
}
////
print_json(contacts);

//// perfect_rectangle
int area = <<area>>;
////
vector<vector<int>> pairs;
for (int side = 1; side * side <= area; side++) {
    if (area % side == 0) pairs.push_back({side, area / side});
}
////
vector<int> best = pairs[0];
for (const auto& each : pairs) {
    if (each[1] - each[0] < best[1] - best[0]) best = each;
}
////
int perimeter = 2 * (best[0] + best[1]);
////
print_json((int)pairs.size(), perimeter);

//// polynomial_slope
vector<int> coefficients = <<coefficients>>;
////
int evaluate(const vector<int>& terms, int x) {
    int value = 0;
    for (auto term = terms.rbegin(); term != terms.rend(); term++) value = value * x + *term;
    return value;
}
////
vector<int> slope;
for (size_t i = 1; i < coefficients.size(); i++) slope.push_back((int)i * coefficients[i]);
////
print_json(evaluate(coefficients, <<x>>), evaluate(slope, <<x>>));

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
print_json(years);

//// sum_of_three_squares
int target = <<target>>;
////
vector<int> roots;
for (int root = 0; root * root <= target; root++) roots.push_back(root);
////
vector<vector<int>> triples;
for (int a : roots) {
    for (int b : roots) {
        for (int c : roots) {
            if (a <= b && b <= c && a * a + b * b + c * c == target) triples.push_back({a, b, c});
        }
    }
}
////
print_json(triples);

//// ticket_numbers
int first = <<first>>;
int last = <<last>>;
////
bool lucky(int number) {
    int left = 0, right = 0;
    for (int place = 0; place < 6; place++) {
        (place < 3 ? right : left) += number % 10;
        number /= 10;
    }
    return left == right;
}
////
int found = 0;
for (int number = first; number <= last; number++) found += lucky(number);
print_json(found);

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
print_json(along * across - full);

//// triangle_kinds
vector<int> sides = <<sides>>;
sort(sides.begin(), sides.end());
////
int square = sides[0] * sides[0] + sides[1] * sides[1] - sides[2] * sides[2];
////
auto kind = [&]() -> string {
    if (sides[0] + sides[1] <= sides[2]) return "none";
    if (square == 0) return "right";
    return square > 0 ? "acute" : "obtuse";
};
////
print_json(kind());

//// alphabet_coverage
string sentence = <<sentence>>;
////
set<char> used;
for (char c : sentence) {
    if (isalpha(c)) used.insert(tolower(c));
}
////
string unused;
for (char c = 'a'; c <= 'z'; c++) {
    if (!used.count(c)) unused += c;
}
////
print_json(unused);

//// bracket_depth
string text = <<text>>;
////
vector<int> depths;
int depth = 0;
for (char c : text) {
    depth += (c == '(') - (c == ')');
    depths.push_back(depth);
}
////
bool valid = depth == 0 && all_of(depths.begin(), depths.end(), [](int each) { return each >= 0; });
////
int largest = depths.empty() ? 0 : *max_element(depths.begin(), depths.end());
print_json(valid ? largest : -1);

//// caesar_with_digits
string text = <<text>>;
int key = <<key>>;
////
auto shift = [&](char c) -> char {
    if (c >= 'a' && c <= 'z') return 'a' + (c - 'a' + key) % 26;
    if (c >= '0' && c <= '9') return '0' + (c - '0' + key) % 10;
    return c;
};
////
string secret;
for (char c : text) secret += shift(c);
////
print_json(secret);

//// column_letters
int to_number(const string& letters) {
    int number = 0;
    for (char letter : letters) number = number * 26 + letter - 'A' + 1;
    return number;
}
////
string to_letters(int number) {
    string letters;
    while (number > 0) {
        letters = char('A' + (number - 1) % 26) + letters;
        number = (number - 1) / 26;
    }
    return letters;
}
////
string column = <<column>>;
int offset = <<offset>>;
////
print_json(to_letters(to_number(column) + offset));

//// common_ending
vector<string> words = <<words>>;
////
size_t limit = words[0].size();
for (const string& word : words) limit = min(limit, word.size());
////
size_t size = 0;
while (size < limit && all_of(words.begin(), words.end(), [&](const string& word) {
    return word[word.size() - 1 - size] == words[0][words[0].size() - 1 - size];
})) size++;
////
print_json(words[0].substr(words[0].size() - size));

//// letter_ladder
vector<string> words = <<words>>;
////
int distance(const string& a, const string& b) {
    int different = abs((int)a.size() - (int)b.size());
    for (size_t i = 0; i < min(a.size(), b.size()); i++) different += a[i] != b[i];
    return different;
}
////
vector<int> steps;
for (size_t i = 1; i < words.size(); i++) steps.push_back(distance(words[i - 1], words[i]));
////
int broken = -1;
for (int i = (int)steps.size() - 1; i >= 0; i--) {
    if (steps[i] != 1) broken = i;
}
////
print_json(broken);

//// mirror_words
vector<string> words = <<words>>;
////
auto has_mirror = [&](size_t i) {
    string mirrored(words[i].rbegin(), words[i].rend());
    for (size_t j = 0; j < words.size(); j++) {
        if (j != i && words[j] == mirrored) return true;
    }
    return false;
};
////
vector<string> found;
for (size_t i = 0; i < words.size(); i++) {
    if (has_mirror(i)) found.push_back(words[i]);
}
print_json(found);

//// syllable_guess
vector<string> words = <<words>>;
////
int groups(const string& word) {
    int count = 0;
    bool before = false;
    for (char c : word) {
        bool vowel = string("aeiouy").find(c) != string::npos;
        if (vowel && !before) count++;
        before = vowel;
    }
    return count;
}
////
int syllables(const string& word) {
    int count = groups(word);
    return !word.empty() && word.back() == 'e' && count > 1 ? count - 1 : count;
}
////
int total = 0;
for (const string& word : words) total += syllables(word);
print_json(total);

//// vowel_swap
string word = <<word>>;
////
vector<int> spots;
for (int i = 0; i < (int)word.size(); i++) {
    if (string("aeiou").find(word[i]) != string::npos) spots.push_back(i);
}
////
vector<char> letters(word.begin(), word.end());
////
for (size_t i = 0; i < spots.size(); i++) letters[spots[i]] = word[spots[spots.size() - 1 - i]];
////
print_json(string(letters.begin(), letters.end()));

//// word_lengths_code
string sentence = <<sentence>>;
////
vector<string> words;
istringstream reader{sentence};
for (string word; reader >> word;) words.push_back(word);
////
string code;
for (const string& word : words) code += (code.empty() ? "" : "-") + to_string(word.size());
////
print_json(code);

//// secret_initials
string name = <<name>>;
////
replace(name.begin(), name.end(), '-', ' ');
vector<string> parts;
istringstream reader{name};
for (string part; reader >> part;) parts.push_back(part);
////
string initials;
for (const string& part : parts) initials += string(1, toupper(part[0])) + ".";
print_json(initials);

//// binary_search_trace
vector<int> shelf = <<shelf>>;
int wanted = <<wanted>>;
////
int low = 0;
int high = (int)shelf.size() - 1;
vector<int> seen;
////
while (low <= high) {
    int middle = (low + high) / 2;
    seen.push_back(middle);
    if (shelf[middle] == wanted) break;
    if (shelf[middle] < wanted) low = middle + 1;
    else high = middle - 1;
}
////
print_json(seen);

//// cheapest_path_down
vector<vector<int>> rows = <<rows>>;
////
vector<int> combine(const vector<int>& row, const vector<int>& below) {
    vector<int> costs;
    for (size_t i = 0; i < row.size(); i++) costs.push_back(row[i] + min(below[i], below[i + 1]));
    return costs;
}
////
vector<int> costs = rows.back();
for (int r = (int)rows.size() - 2; r >= 0; r--) costs = combine(rows[r], costs);
////
print_json(costs[0]);

//// climbing_routes
int count = <<count>>;
set<int> broken = <<broken>>;
////
vector<long long> ways = {1};
////
for (int step = 1; step <= count; step++) {
    long long before = 0;
    for (int back = 1; back <= 3 && back <= step; back++) before += ways[step - back];
    ways.push_back(broken.count(step) ? 0 : before);
}
////
print_json(ways[count]);

//// dutch_auction
int price = <<price>>;
int drop = <<drop>>;
vector<int> limits = <<limits>>;
////
while (price > 0 && *max_element(limits.begin(), limits.end()) < price) price -= drop;
////
int buyer = -1;
if (price > 0) {
    buyer = find_if(limits.begin(), limits.end(), [&](int limit) { return limit >= price; }) - limits.begin();
}
////
print_json(buyer, max(price, 0));

//// elevator_rides
vector<int> weights = <<weights>>;
int limit = <<limit>>;
////
vector<int> rides;
for (int weight : weights) {
    if (!rides.empty() && rides.back() + weight <= limit) rides.back() += weight;
    else rides.push_back(weight);
}
////
print_json((int)rides.size(), rides.empty() ? 0 : *max_element(rides.begin(), rides.end()));

//// shelf_of_sums
vector<int> numbers = <<numbers>>;
vector<vector<int>> queries = <<queries>>;
////
vector<int> running = {0};
for (int number : numbers) running.push_back(running.back() + number);
////
vector<int> answers;
for (const auto& query : queries) answers.push_back(running[query[1] + 1] - running[query[0]]);
print_json(answers);

//// sorting_swaps
vector<int> cards = <<cards>>;
int swaps = 0;
////
for (size_t i = 0; i + 1 < cards.size(); i++) {
    size_t smallest = min_element(cards.begin() + i, cards.end()) - cards.begin();
    if (smallest != i) {
        swap(cards[i], cards[smallest]);
        swaps += 1;
    }
}
////
print_json(swaps);

//// spaced_picks
vector<int> values = <<values>>;
////
int take = 0;
int skip = 0;
////
for (int value : values) {
    int before = take;
    take = skip + value;
    skip = max(before, skip);
}
////
print_json(max(take, skip));

//// two_pointer_budget
vector<int> prices = <<prices>>;
sort(prices.begin(), prices.end());
int budget = <<budget>>;
////
int low = 0;
int high = (int)prices.size() - 1;
int best = 0;
////
while (low < high) {
    int total = prices[low] + prices[high];
    if (total > budget) {
        high -= 1;
    } else {
        best = max(best, total);
        low += 1;
    }
}
////
print_json(best);

//// thermostat_rules
class Heater {
public:
    int low, high;
    bool on = false;
    int switches = 0;
    Heater(int low, int high) : low(low), high(high) {}
};
////
void update(Heater& heater, int temperature) {
    if (!heater.on && temperature < heater.low) {
        heater.on = true;
        heater.switches += 1;
    } else if (heater.on && temperature > heater.high) {
        heater.on = false;
        heater.switches += 1;
    }
}
////
Heater heater(<<low>>, <<high>>);
int minutes = 0;
for (int temperature : vector<int><<temperatures>>) {
    update(heater, temperature);
    minutes += heater.on;
}
////
print_json(heater.switches, minutes);

//// turnstile
class Turnstile {
public:
    bool open = false;
    int passed = 0;
};
////
void handle(Turnstile& turnstile, const string& action) {
    if (action == "coin") {
        turnstile.open = true;
    } else if (turnstile.open) {
        turnstile.passed += 1;
        turnstile.open = false;
    }
}
////
Turnstile gate;
vector<string> actions = <<actions>>;
for (const string& action : actions) handle(gate, action);
////
print_json(gate.passed, gate.open);
