import Glibc

/// Paths by their bytes, folders before what is in them: the order in which they are brought.
public enum PathOrder {
    /// Whether one comes before the other; as `lexicographicallyPrecedes`, by memcmp(3).
    public static func precedes(_ one: [UInt8], _ other: [UInt8]) -> Bool {
        let order = one.withUnsafeBytes { one in
            other.withUnsafeBytes { other in
                let common = min(one.count, other.count)
                return common == 0 ? 0 : memcmp(one.baseAddress!, other.baseAddress!, common)
            }
        }
        return order == 0 ? one.count < other.count : order < 0
    }

    /// Two lists that are in order, in one; what is in both is there once.
    public static func merged(_ one: [[UInt8]], _ other: [[UInt8]]) -> [[UInt8]] {
        var found: [[UInt8]] = []
        found.reserveCapacity(one.count + other.count)
        var (left, right) = (0, 0)
        while left < one.count && right < other.count {
            if precedes(one[left], other[right]) {
                found.append(one[left])
                left += 1
            } else {
                if !precedes(other[right], one[left]) { left += 1 }
                found.append(other[right])
                right += 1
            }
        }
        found += one[left...]
        found += other[right...]
        return found
    }
}
