import CLinux
import Glibc
import Procfs
import Text

/// Open files that two trees have in common: one place in the file, at which both read and write, since one of them, or somebody
/// before them, has inherited it (open(2), "open file description"). Trees that are written down apart have one each afterwards.
///
/// Files whose place does not matter are left out: those that all write to the end of, and all that is no regular file.
enum SharedPlaces {
    private struct Place {
        var tree: Int
        var pid: Int32
        var number: Int32
    }

    /// In sentences for people.
    ///
    /// - Parameter trees: pids of each tree.
    static func found(_ trees: [[Int32]]) -> [String] {
        var places: [[UInt64]: [Place]] = [:]
        var names: [[UInt64]: [UInt8]] = [:]
        for (tree, pids) in trees.enumerated() {
            for pid in pids {
                ProcessDirectory(pid)?.descriptors { number, target in
                    guard target.first == UInt8(ascii: "/"), let file = matters(pid, number) else { return }
                    places[file, default: []].append(Place(tree: tree, pid: pid, number: number))
                    names[file] = target
                }
            }
        }
        return places.compactMap { file, places in
            for (index, place) in places.enumerated() {
                guard
                    let other = places[..<index].first(where: { $0.tree != place.tree && isOne($0, place) })
                else { continue }
                return "processes \(other.pid) and \(place.pid), of two trees, have one place in "
                    + "\(Printable.text(names[file] ?? [])): have it opened by each, or for appending, or use cold"
            }
            return nil
        }.sorted()
    }

    /// Device and inode of a file in which there is a place that matters.
    private static func matters(_ pid: Int32, _ number: Int32) -> [UInt64]? {
        var status = stat()
        guard stat("/proc/\(pid)/fd/\(number)", &status) == 0, status.st_mode & S_IFMT == S_IFREG,
            let flags = ProcessDirectory(pid)?.descriptorInformation(number)?.flags,
            flags & O_APPEND == 0 || flags & O_ACCMODE != O_WRONLY
        else { return nil }
        return [UInt64(status.st_dev), UInt64(status.st_ino)]
    }

    /// `KCMP_FILE` of kcmp(2), Linux 3.5. Where it cannot be asked they count as one.
    private static func isOne(_ one: Place, _ other: Place) -> Bool {
        let answer = clinux_kcmp_file(one.pid, other.pid, UInt(one.number), UInt(other.number))
        return answer == 0 || answer == -1 && errno != ESRCH && errno != EBADF
    }
}
