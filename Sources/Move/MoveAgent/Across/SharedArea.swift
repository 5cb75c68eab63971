import Glibc
import Procfs
import SystemCalls
import Text

/// A mapping that others may have as well, with what /proc/PID/smaps says of it (proc_pid_smaps(5)).
struct SharedArea: Equatable {
    var range: Range<UInt64>
    /// Where in the memory it begins.
    var offset: UInt64
    var isWritable: Bool
    /// Major and minor number of its filesystem's device, and the inode.
    var place: [UInt64]
    var path: [UInt8]
    /// Words of two letters: `lo` for locked, `ht` for huge pages.
    var flags: Set<String> = []
    /// Whether parts of it are mapped as one huge page.
    var hasHugePages = false

    /// Those of a process; `MAP_SHARED` alone.
    static func all(of pid: Int32) -> [SharedArea] {
        parse((try? FileDescriptor.open("/proc/\(pid)/smaps", O_RDONLY))?.bytes ?? [])
    }

    /// Reads `smaps`: a line as in `maps`, then lines of `Key: value`.
    static func parse(_ bytes: [UInt8]) -> [SharedArea] {
        var areas: [SharedArea] = []
        var isShared = false
        for line in bytes.split(separator: UInt8(ascii: "\n")) {
            if let area = SharedArea(line) {
                isShared = area.flags.contains("shared")
                guard isShared else { continue }
                areas.append(area)
                areas[areas.count - 1].flags = []
                continue
            }
            guard isShared, let colon = line.firstIndex(of: UInt8(ascii: ":")) else { continue }
            let words = line[(colon + 1)...].split(separator: UInt8(ascii: " "))
                .map { String(decoding: $0, as: UTF8.self) }
            switch String(decoding: line[..<colon], as: UTF8.self) {
            case "VmFlags": areas[areas.count - 1].flags = Set(words)
            case "ShmemPmdMapped": areas[areas.count - 1].hasHugePages = words.first != "0"
            default: break
            }
        }
        return areas
    }

    private init?(_ line: ArraySlice<UInt8>) {
        let fields = line.split(separator: UInt8(ascii: " "), maxSplits: 5)
        guard fields.count >= 5, fields[1].count == 4 else { return nil }
        func numbers(_ field: ArraySlice<UInt8>, _ separator: Character) -> [UInt64] {
            let parts = String(decoding: field, as: UTF8.self).split(
                separator: separator, omittingEmptySubsequences: false)
            let found = parts.compactMap { UInt64($0, radix: 16) }
            return found.count == parts.count ? found : []
        }
        let ends = numbers(fields[0], "-")
        let device = numbers(fields[3], ":")
        guard ends.count == 2, ends[0] < ends[1], device.count == 2,
            let start = numbers(fields[2], " ").first,
            let inode = UInt64(String(decoding: fields[4], as: UTF8.self))
        else { return nil }
        let permissions = Array(fields[1])
        range = ends[0]..<ends[1]
        offset = start
        isWritable = permissions[1] == UInt8(ascii: "w")
        place = device + [inode]
        path = fields.count > 5 ? Array(fields[5].drop { $0 == UInt8(ascii: " ") }) : []
        if permissions[3] == UInt8(ascii: "s") { flags = ["shared"] }
    }

    /// The memory's own file, for this host's use.
    func open(of pid: Int32) throws(MoveError) -> FileDescriptor {
        let ends = [range.lowerBound, range.upperBound].map { String($0, radix: 16) }
        let path = "/proc/\(pid)/map_files/\(ends[0])-\(ends[1])"
        do throws(SystemError) { return try FileDescriptor.open(path, O_RDWR) } catch {
            throw MoveError("\(path): \(error)")
        }
    }
}
