//// header
#include <stdarg.h>

#define NEXT_INT va_arg(values, int)
#define NEXT_LONG va_arg(values, long long)
#define NEXT_DOUBLE va_arg(values, double)
#define NEXT_TEXT va_arg(values, const char *)
#define NEXT_LIST va_arg(values, const void *)

static void put_text(const char *text) {
    putchar('"');
    for (; *text; text++) {
        if (*text == '"' || *text == '\\') putchar('\\');
        putchar(*text);
    }
    putchar('"');
}

// Prints JSON: %d an int, %l a long long, %f a double, %b a bool, %s a text; %D, %F and %S a list
// of them, given as an array and its length. Everything else is printed as it is.
static void print_json(const char *format, ...) {
    va_list values;
    va_start(values, format);
    for (; *format; format++) {
        if (*format != '%') {
            putchar(*format);
            continue;
        }
        char kind = *++format;
        if (kind == 'd') printf("%d", NEXT_INT);
        if (kind == 'l') printf("%lld", NEXT_LONG);
        if (kind == 'f') printf("%.15g", NEXT_DOUBLE);
        if (kind == 'b') printf("%s", NEXT_INT ? "true" : "false");
        if (kind == 's') put_text(NEXT_TEXT);
        if (kind != 'D' && kind != 'F' && kind != 'S') continue;
        const void *list = NEXT_LIST;
        int length = NEXT_INT;
        putchar('[');
        for (int i = 0; i < length; i++) {
            if (i > 0) printf(", ");
            if (kind == 'D') printf("%d", ((const int *)list)[i]);
            if (kind == 'F') printf("%.15g", ((const double *)list)[i]);
            if (kind == 'S') put_text(((const char *const *)list)[i]);
        }
        putchar(']');
    }
    va_end(values);
}

//// balancing_index
int n = <<weights.length>>;
int weights[] = <<weights>>;
////
int gap(int p, const int *weights, int n) {
    int difference = 0;
    for (int i = 0; i < n; i++) difference += i < p ? weights[i] : -weights[i];
    return abs(difference);
}
////
int best = 0;
for (int p = 1; p <= n; p++) {
    if (gap(p, weights, n) < gap(best, weights, n)) best = p;
}
////
print_json("[%d, %d]\n", best, gap(best, weights, n));

//// checkerboard_sums
int height = <<board.length>>, width = <<board.width>>;
int board[<<board.length>>][<<board.width>>] = <<board>>;
////
int white = 0;
for (int r = 0; r < height; r++) {
    for (int c = 0; c < width; c++) {
        if ((r + c) % 2 == 0) white += board[r][c];
    }
}
////
int black = -white;
for (int r = 0; r < height; r++) {
    for (int c = 0; c < width; c++) black += board[r][c];
}
////
print_json("%d\n", white - black);

//// garden_fence
int n = <<posts.length>>;
int posts[] = <<posts>>;
////
int gaps[<<posts.length>>];
for (int i = 1; i < n; i++) gaps[i - 1] = abs(posts[i] - posts[i - 1]);
////
int largest = 0;
for (int i = 0; i < n - 1; i++) {
    if (gaps[i] > largest) largest = gaps[i];
}
print_json("%d\n", largest);

//// longest_dry_spell
int n = <<rain.length>>;
double rain[] = <<rain>>;
////
bool dry[<<rain.length>> + 1];
for (int i = 0; i < n; i++) dry[i] = rain[i] < 1;
////
int spell = 0, current = 0;
for (int i = 0; i < n; i++) {
    current = dry[i] ? current + 1 : 0;
    if (current > spell) spell = current;
}
////
print_json("%d\n", spell);

//// missing_page_numbers
int n = <<pages.length>>;
int pages[] = <<pages>>;
////
int lost[1000], lost_count = 0;
int first = pages[0], last = pages[0];
for (int i = 1; i < n; i++) {
    if (pages[i] < first) first = pages[i];
    if (pages[i] > last) last = pages[i];
}
for (int page = first; page <= last; page++) {
    bool found = false;
    for (int i = 0; i < n; i++) found = found || pages[i] == page;
    if (!found) lost[lost_count++] = page;
}
////
int ranges[1000][2], range_count = 0;
for (int i = 0; i < lost_count; i++) {
    if (range_count == 0 || ranges[range_count - 1][1] != lost[i] - 1) {
        ranges[range_count++][0] = lost[i];
    }
    ranges[range_count - 1][1] = lost[i];
}
////
print_json("[");
for (int i = 0; i < range_count; i++) print_json(i > 0 ? ", %D" : "%D", ranges[i], 2);
print_json("]\n");

//// museum_map
int height = <<grid.length>>, width = <<grid.width>>;
int grid[<<grid.length>>][<<grid.width>>] = <<grid>>;
////
int mirrored[<<grid.length>>][<<grid.width>>];
for (int r = 0; r < height; r++) {
    for (int c = 0; c < width; c++) mirrored[r][c] = grid[r][width - 1 - c];
}
////
int turned[<<grid.width>>][<<grid.length>>];
for (int r = 0; r < height; r++) {
    for (int c = 0; c < width; c++) turned[c][r] = mirrored[r][c];
}
////
int ends[2 * <<grid.length>>];
for (int r = 0; r < height; r++) {
    ends[r] = turned[0][r];
    ends[height + r] = turned[width - 1][r];
}
////
print_json("%D\n", ends, 2 * height);

//// nearest_charging_point
int house_count = <<houses.length>>, point_count = <<points.length>>;
int houses[] = <<houses>>;
int points[] = <<points>>;
////
int nearest(int house, const int *points, int count) {
    int found = points[0];
    for (int i = 1; i < count; i++) {
        int closer = abs(points[i] - house) - abs(found - house);
        if (closer < 0 || (closer == 0 && points[i] < found)) found = points[i];
    }
    return found;
}
////
int chosen[<<houses.length>> + 1];
for (int i = 0; i < house_count; i++) chosen[i] = nearest(houses[i], points, point_count);
////
int load[<<points.length>>];
for (int p = 0; p < point_count; p++) {
    load[p] = 0;
    for (int i = 0; i < house_count; i++) load[p] += chosen[i] == points[p];
}
////
print_json("%D\n", load, point_count);

//// paired_socks_by_size
int compare(const void *a, const void *b) {
    return *(const int *)a - *(const int *)b;
}
int n = <<socks.length>>;
int socks[] = <<socks>>;
qsort(socks, n, sizeof(int), compare);
////
int pairs = 0;
int single[<<socks.length>> + 1], single_count = 0;
int i = 0;
////
while (i < n) {
    if (i + 1 < n && socks[i] == socks[i + 1]) {
        pairs += 1;
        i += 2;
    } else {
        single[single_count++] = socks[i];
        i += 1;
    }
}
////
int answer[<<socks.length>> + 1];
answer[0] = pairs;
for (int j = 0; j < single_count; j++) answer[j + 1] = single[j];
print_json("%D\n", answer, single_count + 1);

//// podium_with_ties
int n = <<times.length>>;
double times[] = <<times>>;
////
int rank(double time, const double *times, int n) {
    int smaller = 0;
    for (int i = 0; i < n; i++) smaller += times[i] < time;
    return 1 + smaller;
}
////
int ranks[<<times.length>>];
for (int i = 0; i < n; i++) ranks[i] = rank(times[i], times, n);
////
int podium[<<times.length>>], podium_count = 0;
for (int i = 0; i < n; i++) {
    if (ranks[i] <= 3) podium[podium_count++] = i;
}
////
for (int i = 1; i < podium_count; i++) {
    for (int j = i; j > 0; j--) {
        int a = podium[j - 1], b = podium[j];
        if (ranks[a] < ranks[b] || (ranks[a] == ranks[b] && a > b)) break;
        podium[j - 1] = b;
        podium[j] = a;
    }
}
////
print_json("%D\n", podium, podium_count);

//// ring_neighbours
int n = <<ring.length>>;
int ring[] = <<ring>>;
////
int sums[<<ring.length>>];
for (int i = 0; i < n; i++) sums[i] = ring[(i + n - 1) % n] + ring[i] + ring[(i + 1) % n];
////
int place = 0;
for (int i = 1; i < n; i++) {
    if (sums[i] > sums[place]) place = i;
}
////
print_json("%d\n", place);

//// rolling_window_peaks
int n = <<readings.length>>;
int readings[] = <<readings>>;
int size = <<size>>;
////
double window_mean(int i, const int *readings, int size) {
    double total = 0;
    for (int j = i - size; j < i; j++) total += readings[j];
    return total / size;
}
////
int peaks[<<readings.length>> + 1], peak_count = 0;
for (int i = size; i < n; i++) {
    if (readings[i] > window_mean(i, readings, size)) peaks[peak_count++] = i;
}
////
print_json("%D\n", peaks, peak_count);

//// seat_rows
int n = <<people.length>>;
const char *people[] = <<people>>;
////
const char *rows[<<people.length>> + 1][<<width>>];
int row_count = (n + <<width>> - 1) / <<width>>;
for (int i = 0; i < n; i++) rows[i / <<width>>][i % <<width>>] = people[i];
////
const char *aisle[<<people.length>> + 1];
for (int r = 0; r < row_count; r++) {
    int last = r < row_count - 1 ? <<width>> - 1 : (n - 1) % <<width>>;
    aisle[r] = rows[r][last];
}
////
print_json("%S\n", aisle, row_count);

//// shadow_lengths
int n = <<street.length>>;
int street[] = <<street>>;
////
int visible[<<street.length>>], count = 0;
for (int i = n - 1; i >= 0; i--) {
    if (count == 0 || street[i] > visible[count - 1]) visible[count++] = street[i];
}
////
for (int i = 0; i < count / 2; i++) {
    int height = visible[i];
    visible[i] = visible[count - 1 - i];
    visible[count - 1 - i] = height;
}
print_json("%D\n", visible, count);

//// spare_parts
int needed_count = <<needed.length>>, stock_count = <<stock.length>>;
const char *needed[] = <<needed>>;
const char *stock[] = <<stock>>;
////
const char *shelf[<<stock.length>> + 1];
for (int i = 0; i < stock_count; i++) shelf[i] = stock[i];
////
const char *missing[<<needed.length>> + 1];
int missing_count = 0;
for (int i = 0; i < needed_count; i++) {
    int at = 0;
    while (at < stock_count && (shelf[at] == NULL || strcmp(shelf[at], needed[i]) != 0)) at++;
    if (at < stock_count) shelf[at] = NULL;
    else missing[missing_count++] = needed[i];
}
////
print_json("%S\n", missing, missing_count);

//// stair_heights
int n = <<heights.length>>;
int heights[] = <<heights>>;
////
int levels[<<heights.length>> + 1], level_count = 0;
for (int i = 0; i < n; i++) {
    if (i == 0 || heights[i] != heights[i - 1]) levels[level_count++] = heights[i];
}
////
int steps[<<heights.length>> + 1];
for (int i = 1; i < level_count; i++) steps[i - 1] = levels[i] - levels[i - 1];
////
int climbs[<<heights.length>> + 1], climb_count = 0;
for (int i = 0; i < level_count - 1; i++) {
    if (steps[i] > 0) climbs[climb_count++] = steps[i];
}
////
int total = 0;
for (int i = 0; i < climb_count; i++) total += climbs[i];
print_json("[%d, %d]\n", climb_count, total);

//// tournament_bracket
int n = <<players.length>>;
int players[] = <<players>>;
////
int play_round(int *players, int n) {
    for (int i = 0; i < n; i += 2) {
        players[i / 2] = i + 1 == n ? players[i] : abs(players[i] - players[i + 1]);
    }
    return (n + 1) / 2;
}
////
int rounds = 0;
while (n > 1) {
    n = play_round(players, n);
    rounds += 1;
}
////
print_json("[%d, %d]\n", players[0], rounds);

//// zigzag_check
int n = <<values.length>>;
int values[] = <<values>>;
////
int kept[<<values.length>>];
int kept_count = 1;
kept[0] = values[0];
////
for (int i = 1; i < n; i++) {
    int last = kept[kept_count - 1];
    if (kept_count % 2 == 1 ? values[i] > last : values[i] < last) kept[kept_count++] = values[i];
}
////
print_json("%D\n", kept, kept_count);

//// encoding_categories
int n = <<labels.length>>;
const char *labels[] = <<labels>>;
////
const char *kinds[<<labels.length>>];
int kind_count = 0;
for (int i = 0; i < n; i++) {
    int at = 0;
    while (at < kind_count && strcmp(kinds[at], labels[i]) < 0) at++;
    if (at < kind_count && strcmp(kinds[at], labels[i]) == 0) continue;
    for (int j = kind_count; j > at; j--) kinds[j] = kinds[j - 1];
    kinds[at] = labels[i];
    kind_count++;
}
////
int rows[<<labels.length>>][<<labels.length>>];
for (int i = 0; i < n; i++) {
    for (int j = 0; j < kind_count; j++) rows[i][j] = strcmp(labels[i], kinds[j]) == 0;
}
////
print_json("[");
for (int i = 0; i < n; i++) print_json(i > 0 ? ", %D" : "%D", rows[i] + 1, kind_count - 1);
print_json("]\n");

//// histogram_text
int n = <<data.length>>;
int data[] = <<data>>;
int width = <<width>>;
////
int bins[<<data.length>>];
for (int i = 0; i < n; i++) bins[i] = data[i] / width;
////
int bin_count = 0;
for (int i = 0; i < n; i++) {
    if (bins[i] + 1 > bin_count) bin_count = bins[i] + 1;
}
int *counts = calloc(bin_count, sizeof(int));
for (int i = 0; i < n; i++) counts[bins[i]]++;
////
print_json("%D\n", counts, bin_count);

//// moving_median
int n = <<points.length>>;
int points[] = <<points>>;
////
int median3(int a, int b, int c) {
    if ((a <= b && b <= c) || (c <= b && b <= a)) return b;
    if ((b <= a && a <= c) || (c <= a && a <= b)) return a;
    return c;
}
////
int smooth[<<points.length>>];
for (int i = 0; i < n; i++) {
    bool end = i == 0 || i == n - 1;
    smooth[i] = end ? points[i] : median3(points[i - 1], points[i], points[i + 1]);
}
////
int changed = 0, largest = smooth[0];
for (int i = 0; i < n; i++) {
    changed += smooth[i] != points[i];
    if (smooth[i] > largest) largest = smooth[i];
}
print_json("[%d, %d]\n", changed, largest);

//// percentile_rank
int n = <<scores.length>>;
int scores[] = <<scores>>;
int mine = <<mine>>;
////
int below = 0, equal = 0;
for (int i = 0; i < n; i++) {
    below += scores[i] < mine;
    equal += scores[i] == mine;
}
////
double rank = round((below + equal / 2.0) / n * 1000) / 10;
print_json("%f\n", rank);

//// rank_transform
int n = <<values.length>>;
int values[] = <<values>>;
////
double rank(int value, const int *values, int n) {
    int smaller = 0, same = 0;
    for (int i = 0; i < n; i++) {
        smaller += values[i] < value;
        same += values[i] == value;
    }
    return smaller + (same + 1) / 2.0;
}
////
double ranks[<<values.length>> + 1];
for (int i = 0; i < n; i++) ranks[i] = rank(values[i], values, n);
print_json("%F\n", ranks, n);

//// trimmed_average
int compare(const void *a, const void *b) {
    return *(const int *)a - *(const int *)b;
}
int n = <<marks.length>>;
int marks[] = <<marks>>;
qsort(marks, n, sizeof(int), compare);
////
int *middle = marks + <<cut>>;
int middle_count = n - 2 * <<cut>>;
////
double total = 0;
for (int i = 0; i < middle_count; i++) total += middle[i];
double average = round(total / middle_count * 100) / 100;
////
print_json("%f\n", average);

//// base_change_check
int number = <<number>>;
int base = <<base>>;
////
int digits_of(int value, int base, int *digits) {
    int count = 0;
    do {
        digits[count++] = value % base;
        value /= base;
    } while (value > 0);
    for (int i = 0; i < count / 2; i++) {
        int digit = digits[i];
        digits[i] = digits[count - 1 - i];
        digits[count - 1 - i] = digit;
    }
    return count;
}
////
int digits[32];
int count = digits_of(number, base, digits);
////
int sum = 0;
bool same = true;
for (int i = 0; i < count; i++) {
    sum += digits[i];
    same = same && digits[i] == digits[count - 1 - i];
}
print_json("[%d, %d, %b]\n", count, sum, same);

//// bus_meeting
int n = <<intervals.length>>;
int intervals[] = <<intervals>>;
////
long long together = 1;
for (int i = 0; i < n; i++) {
    long long a = together, b = intervals[i];
    while (b != 0) {
        long long rest = a % b;
        a = b;
        b = rest;
    }
    together = together / a * intervals[i];
}
////
long long hours = together / 60;
long long minutes = together % 60;
////
char text[64];
snprintf(text, sizeof(text), "%lld:%02lld", hours, minutes);
print_json("%s\n", text);

//// candle_heights
int first = <<first>>;
int second = <<second>>;
////
int slow = <<slow>>;
int fast = <<fast>>;
////
int height(int start, int rate, int hours) {
    int left = start - rate * hours;
    return left > 0 ? left : 0;
}
////
int hours = 0;
while (height(second, fast, hours) > height(first, slow, hours)) hours += 1;
////
print_json("[%d, %d]\n", hours, height(first, slow, hours));

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
print_json("%f\n", fmin(difference, 360 - difference));

//// digit_mountain
long long number = <<number>>;
////
int odd[20], odd_count = 0;
char text[24];
snprintf(text, sizeof(text), "%lld", number);
for (int i = 0; text[i] != 0; i++) {
    if ((text[i] - '0') % 2 == 1) odd[odd_count++] = text[i] - '0';
}
////
long long product = 1;
for (int i = 0; i < odd_count; i++) product *= odd[i];
////
print_json("%l\n", product);

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
print_json("%l\n", total);

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
print_json("%d\n", result);

//// lamp_switches
int count = <<lamps>>;
bool lamps[<<lamps>>];
for (int i = 0; i < count; i++) lamps[i] = false;
////
int steps[] = <<steps>>;
for (int i = 0; i < <<steps.length>>; i++) {
    for (int position = steps[i]; position <= count; position += steps[i]) {
        lamps[position - 1] = !lamps[position - 1];
    }
}
////
int on = 0;
for (int i = 0; i < count; i++) on += lamps[i];
print_json("%d\n", on);

//// looping_sequence
int start = <<start>>;
////
int follow(int n) {
    return n % 3 == 0 ? n / 3 : (2 * n + 1) % 100;
}
////
int path[1000], length = 0;
int position(int n, const int *path, int length) {
    for (int i = 0; i < length; i++) {
        if (path[i] == n) return i;
    }
    return -1;
}
for (int n = start; position(n, path, length) < 0; n = follow(n)) path[length++] = n;
////
int back = follow(path[length - 1]);
////
int cycle = length - position(back, path, length);
////
int largest = path[0];
for (int i = 1; i < length; i++) {
    if (path[i] > largest) largest = path[i];
}
print_json("[%d, %d, %d]\n", length, cycle, largest);

//// overlapping_discs
int n = <<discs.length>>;
int discs[][3] = <<discs>>;
////
bool touching(const int *a, const int *b) {
    int dx = a[0] - b[0], dy = a[1] - b[1], reach = a[2] + b[2];
    return dx * dx + dy * dy <= reach * reach;
}
////
int contacts[<<discs.length>>];
for (int i = 0; i < n; i++) {
    contacts[i] = 0;
    for (int j = 0; j < n; j++) {
        if (i != j && touching(discs[i], discs[j])) contacts[i]++;
    }
}
////
print_json("%D\n", contacts, n);

//// perfect_rectangle
int area = <<area>>;
////
int pairs[1000][2], pair_count = 0;
for (int side = 1; side * side <= area; side++) {
    if (area % side != 0) continue;
    pairs[pair_count][0] = side;
    pairs[pair_count++][1] = area / side;
}
////
int *best = pairs[0];
for (int i = 1; i < pair_count; i++) {
    if (pairs[i][1] - pairs[i][0] < best[1] - best[0]) best = pairs[i];
}
////
int perimeter = 2 * (best[0] + best[1]);
////
print_json("[%d, %d]\n", pair_count, perimeter);

//// polynomial_slope
int n = <<coefficients.length>>;
int coefficients[] = <<coefficients>>;
////
int evaluate(const int *terms, int count, int x) {
    int value = 0;
    for (int i = count - 1; i >= 0; i--) value = value * x + terms[i];
    return value;
}
////
int slope[<<coefficients.length>> + 1], slope_count = 0;
for (int i = 1; i < n; i++) slope[slope_count++] = i * coefficients[i];
////
print_json("[%d, %d]\n", evaluate(coefficients, n, <<x>>), evaluate(slope, slope_count, <<x>>));

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
print_json("%d\n", years);

//// sum_of_three_squares
int target = <<target>>;
////
int roots[1000], root_count = 0;
for (int root = 0; root * root <= target; root++) roots[root_count++] = root;
////
int triples[1000][3], triple_count = 0;
for (int a = 0; a < root_count; a++) {
    for (int b = a; b < root_count; b++) {
        for (int c = b; c < root_count; c++) {
            if (roots[a] * roots[a] + roots[b] * roots[b] + roots[c] * roots[c] != target) continue;
            triples[triple_count][0] = roots[a];
            triples[triple_count][1] = roots[b];
            triples[triple_count++][2] = roots[c];
        }
    }
}
////
print_json("[");
for (int i = 0; i < triple_count; i++) print_json(i > 0 ? ", %D" : "%D", triples[i], 3);
print_json("]\n");

//// ticket_numbers
int first = <<first>>;
int last = <<last>>;
////
bool lucky(int number) {
    int left = 0, right = 0;
    for (int place = 0; place < 6; place++) {
        if (place < 3) right += number % 10;
        else left += number % 10;
        number /= 10;
    }
    return left == right;
}
////
int found = 0;
for (int number = first; number <= last; number++) found += lucky(number);
print_json("%d\n", found);

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
print_json("%d\n", along * across - full);

//// triangle_kinds
int compare(const void *a, const void *b) {
    return *(const int *)a - *(const int *)b;
}
int sides[] = <<sides>>;
qsort(sides, 3, sizeof(int), compare);
////
int square = sides[0] * sides[0] + sides[1] * sides[1] - sides[2] * sides[2];
////
const char *kind(const int *sides, int square) {
    if (sides[0] + sides[1] <= sides[2]) return "none";
    if (square == 0) return "right";
    return square > 0 ? "acute" : "obtuse";
}
////
print_json("%s\n", kind(sides, square));

//// alphabet_coverage
const char *sentence = <<sentence>>;
////
bool used[26] = {false};
for (int i = 0; sentence[i] != 0; i++) {
    if (isalpha((unsigned char)sentence[i])) used[tolower((unsigned char)sentence[i]) - 'a'] = true;
}
////
char unused[27];
int count = 0;
for (int i = 0; i < 26; i++) {
    if (!used[i]) unused[count++] = 'a' + i;
}
unused[count] = 0;
////
print_json("%s\n", unused);

//// bracket_depth
const char *text = <<text>>;
////
int depths[1000], count = 0, depth = 0;
for (int i = 0; text[i] != 0; i++) {
    depth += (text[i] == '(') - (text[i] == ')');
    depths[count++] = depth;
}
////
bool valid = depth == 0;
for (int i = 0; i < count; i++) valid = valid && depths[i] >= 0;
////
int largest = 0;
for (int i = 0; i < count; i++) {
    if (depths[i] > largest) largest = depths[i];
}
print_json("%d\n", valid ? largest : -1);

//// caesar_with_digits
const char *text = <<text>>;
int key = <<key>>;
////
char shift(char c, int key) {
    if (c >= 'a' && c <= 'z') return 'a' + (c - 'a' + key) % 26;
    if (c >= '0' && c <= '9') return '0' + (c - '0' + key) % 10;
    return c;
}
////
char secret[1000];
int length = strlen(text);
for (int i = 0; i <= length; i++) secret[i] = shift(text[i], key);
////
print_json("%s\n", secret);

//// column_letters
int to_number(const char *letters) {
    int number = 0;
    for (; *letters != 0; letters++) number = number * 26 + *letters - 'A' + 1;
    return number;
}
////
void to_letters(int number, char *letters) {
    int length = 0;
    for (int rest = number; rest > 0; rest = (rest - 1) / 26) length++;
    letters[length] = 0;
    while (number > 0) {
        letters[--length] = 'A' + (number - 1) % 26;
        number = (number - 1) / 26;
    }
}
////
const char *column = <<column>>;
int offset = <<offset>>;
////
char letters[16];
to_letters(to_number(column) + offset, letters);
print_json("%s\n", letters);

//// common_ending
int n = <<words.length>>;
const char *words[] = <<words>>;
////
int limit = strlen(words[0]);
for (int i = 1; i < n; i++) {
    if ((int)strlen(words[i]) < limit) limit = strlen(words[i]);
}
////
int size = 0;
bool same = true;
while (same && size < limit) {
    char last = words[0][strlen(words[0]) - 1 - size];
    for (int i = 1; i < n; i++) same = same && words[i][strlen(words[i]) - 1 - size] == last;
    if (same) size++;
}
////
print_json("%s\n", words[0] + strlen(words[0]) - size);

//// letter_ladder
int n = <<words.length>>;
const char *words[] = <<words>>;
////
int distance(const char *a, const char *b) {
    int different = 0;
    while (*a != 0 && *b != 0) different += *a++ != *b++;
    return different + strlen(a) + strlen(b);
}
////
int steps[<<words.length>>];
for (int i = 1; i < n; i++) steps[i - 1] = distance(words[i - 1], words[i]);
////
int broken = -1;
for (int i = n - 2; i >= 0; i--) {
    if (steps[i] != 1) broken = i;
}
////
print_json("%d\n", broken);

//// mirror_words
int n = <<words.length>>;
const char *words[] = <<words>>;
////
bool has_mirror(int i, const char **words, int n) {
    int length = strlen(words[i]);
    for (int j = 0; j < n; j++) {
        if (j == i || (int)strlen(words[j]) != length) continue;
        int k = 0;
        while (k < length && words[i][k] == words[j][length - 1 - k]) k++;
        if (k == length) return true;
    }
    return false;
}
////
const char *found[<<words.length>> + 1];
int found_count = 0;
for (int i = 0; i < n; i++) {
    if (has_mirror(i, words, n)) found[found_count++] = words[i];
}
print_json("%S\n", found, found_count);

//// syllable_guess
int n = <<words.length>>;
const char *words[] = <<words>>;
////
int groups(const char *word) {
    int count = 0;
    bool before = false;
    for (; *word != 0; word++) {
        bool vowel = strchr("aeiouy", *word) != NULL;
        if (vowel && !before) count++;
        before = vowel;
    }
    return count;
}
////
int syllables(const char *word) {
    int count = groups(word), length = strlen(word);
    return length > 0 && word[length - 1] == 'e' && count > 1 ? count - 1 : count;
}
////
int total = 0;
for (int i = 0; i < n; i++) total += syllables(words[i]);
print_json("%d\n", total);

//// vowel_swap
const char *word = <<word>>;
int length = strlen(word);
////
int spots[100], spot_count = 0;
for (int i = 0; i < length; i++) {
    if (strchr("aeiou", word[i]) != NULL) spots[spot_count++] = i;
}
////
char letters[100];
strcpy(letters, word);
////
for (int i = 0; i < spot_count; i++) letters[spots[i]] = word[spots[spot_count - 1 - i]];
////
print_json("%s\n", letters);

//// word_lengths_code
char sentence[] = <<sentence>>;
////
const char *words[100];
int word_count = 0;
for (char *word = strtok(sentence, " "); word != NULL; word = strtok(NULL, " ")) {
    words[word_count++] = word;
}
////
char code[1000] = "";
for (int i = 0; i < word_count; i++) {
    int end = strlen(code);
    snprintf(code + end, sizeof(code) - end, i > 0 ? "-%d" : "%d", (int)strlen(words[i]));
}
////
print_json("%s\n", code);

//// secret_initials
char name[] = <<name>>;
////
const char *parts[100];
int part_count = 0;
for (char *part = strtok(name, " -"); part != NULL; part = strtok(NULL, " -")) {
    parts[part_count++] = part;
}
////
char initials[300] = "";
for (int i = 0; i < part_count; i++) {
    initials[2 * i] = toupper((unsigned char)parts[i][0]);
    initials[2 * i + 1] = '.';
}
print_json("%s\n", initials);

//// binary_search_trace
int n = <<shelf.length>>;
int shelf[] = <<shelf>>;
int wanted = <<wanted>>;
////
int low = 0;
int high = n - 1;
int seen[100], seen_count = 0;
////
while (low <= high) {
    int middle = (low + high) / 2;
    seen[seen_count++] = middle;
    if (shelf[middle] == wanted) break;
    if (shelf[middle] < wanted) low = middle + 1;
    else high = middle - 1;
}
////
print_json("%D\n", seen, seen_count);

//// cheapest_path_down
int height = <<rows.length>>;
int rows[<<rows.length>>][<<rows.width>>] = <<rows>>;
////
void combine(const int *row, int width, int *below) {
    for (int i = 0; i < width; i++) {
        below[i] = row[i] + (below[i] < below[i + 1] ? below[i] : below[i + 1]);
    }
}
////
int *costs = rows[height - 1];
for (int r = height - 2; r >= 0; r--) combine(rows[r], r + 1, costs);
////
print_json("%d\n", costs[0]);

//// climbing_routes
int count = <<count>>;
int broken_count = <<broken.length>>;
int broken[] = <<broken>>;
////
long long ways[<<count>> + 1];
ways[0] = 1;
////
for (int step = 1; step <= count; step++) {
    ways[step] = 0;
    for (int back = 1; back <= 3 && back <= step; back++) ways[step] += ways[step - back];
    for (int i = 0; i < broken_count; i++) {
        if (broken[i] == step) ways[step] = 0;
    }
}
////
print_json("%l\n", ways[count]);

//// dutch_auction
int price = <<price>>;
int drop = <<drop>>;
int n = <<limits.length>>;
int limits[] = <<limits>>;
////
int highest = limits[0];
for (int i = 1; i < n; i++) {
    if (limits[i] > highest) highest = limits[i];
}
while (price > 0 && highest < price) price -= drop;
////
int buyer = -1;
for (int i = n - 1; i >= 0 && price > 0; i--) {
    if (limits[i] >= price) buyer = i;
}
////
print_json("[%d, %d]\n", buyer, price > 0 ? price : 0);

//// elevator_rides
int n = <<weights.length>>;
int weights[] = <<weights>>;
int limit = <<limit>>;
////
int rides[<<weights.length>> + 1], ride_count = 0;
for (int i = 0; i < n; i++) {
    if (ride_count > 0 && rides[ride_count - 1] + weights[i] <= limit) {
        rides[ride_count - 1] += weights[i];
    } else {
        rides[ride_count++] = weights[i];
    }
}
////
int largest = 0;
for (int i = 0; i < ride_count; i++) {
    if (rides[i] > largest) largest = rides[i];
}
print_json("[%d, %d]\n", ride_count, largest);

//// shelf_of_sums
int n = <<numbers.length>>;
int numbers[] = <<numbers>>;
int query_count = <<queries.length>>;
int queries[][2] = <<queries>>;
////
int running[<<numbers.length>> + 1];
running[0] = 0;
for (int i = 0; i < n; i++) running[i + 1] = running[i] + numbers[i];
////
int answers[<<queries.length>> + 1];
for (int i = 0; i < query_count; i++) {
    answers[i] = running[queries[i][1] + 1] - running[queries[i][0]];
}
print_json("%D\n", answers, query_count);

//// sorting_swaps
int n = <<cards.length>>;
int cards[] = <<cards>>;
int swaps = 0;
////
for (int i = 0; i < n - 1; i++) {
    int smallest = i;
    for (int j = i + 1; j < n; j++) {
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
print_json("%d\n", swaps);

//// spaced_picks
int n = <<values.length>>;
int values[] = <<values>>;
////
int take = 0;
int skip = 0;
////
for (int i = 0; i < n; i++) {
    int before = take;
    take = skip + values[i];
    if (before > skip) skip = before;
}
////
print_json("%d\n", take > skip ? take : skip);

//// two_pointer_budget
int compare(const void *a, const void *b) {
    return *(const int *)a - *(const int *)b;
}
int n = <<prices.length>>;
int prices[] = <<prices>>;
qsort(prices, n, sizeof(int), compare);
int budget = <<budget>>;
////
int low = 0;
int high = n - 1;
int best = 0;
////
while (low < high) {
    int total = prices[low] + prices[high];
    if (total > budget) {
        high -= 1;
    } else {
        if (total > best) best = total;
        low += 1;
    }
}
////
print_json("%d\n", best);

//// thermostat_rules
typedef struct {
    int low, high;
    bool on;
    int switches;
} Heater;
////
void update(Heater *heater, int temperature) {
    if (!heater->on && temperature < heater->low) {
        heater->on = true;
        heater->switches += 1;
    } else if (heater->on && temperature > heater->high) {
        heater->on = false;
        heater->switches += 1;
    }
}
////
Heater heater = {<<low>>, <<high>>, false, 0};
int temperatures[] = <<temperatures>>;
int minutes = 0;
for (int i = 0; i < <<temperatures.length>>; i++) {
    update(&heater, temperatures[i]);
    minutes += heater.on;
}
////
print_json("[%d, %d]\n", heater.switches, minutes);

//// turnstile
typedef struct {
    bool open;
    int passed;
} Turnstile;
////
void handle(Turnstile *turnstile, const char *action) {
    if (strcmp(action, "coin") == 0) {
        turnstile->open = true;
    } else if (turnstile->open) {
        turnstile->passed += 1;
        turnstile->open = false;
    }
}
////
Turnstile gate = {false, 0};
const char *actions[] = <<actions>>;
for (int i = 0; i < <<actions.length>>; i++) handle(&gate, actions[i]);
////
print_json("[%d, %b]\n", gate.passed, gate.open);
