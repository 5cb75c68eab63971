import CLinux
import Glibc
public import SystemCalls

/// The processes there are.
public enum ProcessList {
    /// Pids under /proc at this moment, in no particular order; none if it cannot be read.
    public static func pids() -> [Int32] { (try? read()) ?? [] }

    /// The same; fails with EMFILE and the like.
    public static func read() throws(SystemError) -> [Int32] {
        guard let stream = opendir("/proc") else { throw SystemError("opendir") }
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
