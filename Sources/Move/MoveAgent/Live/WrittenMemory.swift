import Glibc
import SystemCalls

/// Memory that a process has written and nobody else has: private, without a file, and in memory or swapped.
///
/// What was never touched has no page, and what was only read is the kernel's page of zeros or the file's, which the destination has.
/// Whether a page may be written now says nothing of whether it was.
enum WrittenMemory {
    /// Areas whose pages are looked for one by one; of larger ones it takes too long, and they come when the process is stopped.
    private static let largest: UInt64 = 256 << 30

    /// Private areas without a file, of `maps` (proc_pid_maps(5)); a thread's stack is one, the first thread's changes all the time.
    static func areas(_ maps: [UInt8]) -> [Range<UInt64>] {
        maps.split(separator: UInt8(ascii: "\n")).compactMap { line in
            let fields = line.split(separator: UInt8(ascii: " "), maxSplits: 5)
            guard fields.count >= 5, fields[1].count == 4, fields[1].last == UInt8(ascii: "p"),
                fields[4].elementsEqual("0".utf8)
            else { return nil }
            let name = fields.count == 6 ? fields[5].drop { $0 == UInt8(ascii: " ") } : []
            // Other names in brackets are the kernel's own; programs may name areas (PR_SET_VMA_ANON_NAME).
            guard name.isEmpty || name.elementsEqual("[heap]".utf8) || name.starts(with: "[anon:".utf8)
            else { return nil }
            let ends = fields[0].split(separator: UInt8(ascii: "-")).compactMap {
                UInt64(String(decoding: $0, as: UTF8.self), radix: 16)
            }
            guard ends.count == 2, ends[0] < ends[1], ends[1] - ends[0] <= largest else { return nil }
            return ends[0]..<ends[1]
        }
    }

    /// Whether what `pagemap` says of a page (Documentation/admin-guide/mm/pagemap.rst) is that it was written.
    static func isWritten(_ entry: UInt64) -> Bool { entry >> 62 != 0 && entry >> 61 & 1 == 0 }

    /// - Throws: that the process cannot be read, or is gone.
    static func pages(of pid: Int32) throws(MoveError) -> PageMap {
        var map = PageMap(number: UInt64(pid))
        do throws(SystemError) {
            let areas = areas(try FileDescriptor.open("/proc/\(pid)/maps", O_RDONLY).readAll(limit: 64 << 20))
            let file = try FileDescriptor.open("/proc/\(pid)/pagemap", O_RDONLY)
            var entries = [UInt64](repeating: 0, count: 1 << 16)
            for area in areas {
                var at = area.lowerBound
                while at < area.upperBound {
                    let number = file.number
                    let wanted = Int(min((area.upperBound - at) / PageMap.page, UInt64(entries.count)))
                    let got = try systemCall("pread") {
                        entries.withUnsafeMutableBytes {
                            pread(number, $0.baseAddress, wanted * 8, off_t(at / PageMap.page * 8))
                        }
                    }
                    guard got >= 8 else { break }
                    for index in 0..<got / 8 where isWritten(entries[index]) {
                        map.add(at + UInt64(index) * PageMap.page, .present)
                    }
                    at += UInt64(got / 8) * PageMap.page
                }
            }
        } catch { throw MoveError("memory of process \(pid): \(error)") }
        return map
    }
}
