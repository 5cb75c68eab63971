import Glibc

/// Targets of symbolic links, as bytes.
public enum SymbolicLink {
    /// The target of a link, whatever its length; `nil` if it cannot be read.
    /// The corresponding C function is `readlinkat`.
    public static func read(_ path: String, relativeTo directory: Int32 = AT_FDCWD) -> [UInt8]? {
        var size = 256
        while size <= 1 << 16 {
            var count = -1
            let bytes = [UInt8](unsafeUninitializedCapacity: size) { buffer, initialized in
                count = buffer.withMemoryRebound(to: CChar.self) {
                    readlinkat(directory, path, $0.baseAddress!, size)
                }
                initialized = max(count, 0)
            }
            if count < 0 { return nil }
            // A link that fills the buffer may have been cut off.
            if count < size { return bytes }
            size *= 4
        }
        return nil
    }
}
