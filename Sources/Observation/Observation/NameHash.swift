/// Knows a name again without keeping it: FNV-1a, 64 bits.
public enum NameHash {
    /// The hash of a name, which is never 0.
    public static func of(_ name: some Sequence<UInt8>) -> UInt64 {
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        for byte in name { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
        return hash == 0 ? 1 : hash
    }
}
