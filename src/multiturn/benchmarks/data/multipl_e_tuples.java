
// Tuples for programs that import org.javatuples: what they build, compare and take apart.
class Tuple implements Iterable<Object>, Comparable<Tuple> {
    private final java.util.List<Object> values;

    Tuple(Object... values) {
        this.values = java.util.Arrays.asList(values);
    }

    public Object getValue(int position) {
        return values.get(position);
    }

    public int getSize() {
        return values.size();
    }

    public boolean contains(Object value) {
        return values.contains(value);
    }

    public java.util.List<Object> toList() {
        return new java.util.ArrayList<>(values);
    }

    public Object[] toArray() {
        return values.toArray();
    }

    public java.util.Iterator<Object> iterator() {
        return values.iterator();
    }

    @SuppressWarnings("unchecked")
    public int compareTo(Tuple other) {
        for (int i = 0; i < Math.min(getSize(), other.getSize()); i++) {
            int order = ((Comparable<Object>) getValue(i)).compareTo(other.getValue(i));
            if (order != 0) {
                return order;
            }
        }
        return Integer.compare(getSize(), other.getSize());
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof Tuple && values.equals(((Tuple) other).values);
    }

    @Override
    public int hashCode() {
        return values.hashCode();
    }

    @Override
    public String toString() {
        return values.toString();
    }
}

@SuppressWarnings("unchecked")
class Unit<A> extends Tuple {
    Unit(Object... values) { super(values); }
    public static <A> Unit<A> with(A a) { return new Unit<>(a); }
    public A getValue0() { return (A) getValue(0); }
}

@SuppressWarnings("unchecked")
class Pair<A, B> extends Tuple {
    Pair(Object... values) { super(values); }
    public static <A, B> Pair<A, B> with(A a, B b) { return new Pair<>(a, b); }
    public A getValue0() { return (A) getValue(0); }
    public B getValue1() { return (B) getValue(1); }
    public <X> Pair<X, B> setAt0(X value) { return with(value, getValue1()); }
    public <X> Pair<A, X> setAt1(X value) { return with(getValue0(), value); }
}

@SuppressWarnings("unchecked")
class Triplet<A, B, C> extends Tuple {
    Triplet(Object... values) { super(values); }
    public static <A, B, C> Triplet<A, B, C> with(A a, B b, C c) { return new Triplet<>(a, b, c); }
    public A getValue0() { return (A) getValue(0); }
    public B getValue1() { return (B) getValue(1); }
    public C getValue2() { return (C) getValue(2); }
}

@SuppressWarnings("unchecked")
class Quartet<A, B, C, D> extends Tuple {
    Quartet(Object... values) { super(values); }
    public static <A, B, C, D> Quartet<A, B, C, D> with(A a, B b, C c, D d) {
        return new Quartet<>(a, b, c, d);
    }
    public A getValue0() { return (A) getValue(0); }
    public B getValue1() { return (B) getValue(1); }
    public C getValue2() { return (C) getValue(2); }
    public D getValue3() { return (D) getValue(3); }
}
