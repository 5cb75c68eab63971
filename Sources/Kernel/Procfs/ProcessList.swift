import CLinux
import Glibc

/// The processes there are.
public enum ProcessList {
    /// Pids under /proc at this moment, in no particular order.
    public static func pids() -> [Int32] {
        guard let stream = opendir("/proc") else { return [] }
        defer { closedir(stream) }
        var result: [Int32] = []
        while let entry = readdir(stream) {
            let pid = withUnsafeBytes(of: &entry.pointee.d_name) { bytes -> Int32? in
                guard let first = bytes.first, (48...57).contains(first) else { return nil }
                return Int32(String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self))
            }
            if let pid { result.append(pid) }
        }
        return result
    }
}
