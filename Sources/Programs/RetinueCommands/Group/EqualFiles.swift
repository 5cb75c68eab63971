import Glibc
import SystemCalls

/// Executables and libraries that a destination has as they are here, byte for byte, at the same path.
///
/// Only what is executed or loaded (ELF) counts: a file of settings or data that happens to be equal is one of its own.
enum EqualFiles {
    static func among(_ paths: [[UInt8]], below root: String, at destination: String) -> [[UInt8]] {
        paths.filter { path in
            guard let here = open(path, root), let there = open(path, destination) else { return false }
            return (try? areEqual(here, there)) ?? false
        }
    }

    private static func open(_ path: [UInt8], _ root: String) -> FileDescriptor? {
        let name = (root == "/" ? [] : Array(root.utf8)) + path + [0]
        guard let file = try? FileDescriptor.open(bytes: name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK) else {
            return nil
        }
        var status = stat()
        guard fstat(file.number, &status) == 0, status.st_mode & S_IFMT == S_IFREG else { return nil }
        return file
    }

    private static func areEqual(
        _ here: borrowing FileDescriptor, _ there: borrowing FileDescriptor
    ) throws(SystemError) -> Bool {
        var (first, second) = (stat(), stat())
        guard fstat(here.number, &first) == 0, fstat(there.number, &second) == 0,
            first.st_size == second.st_size
        else { return false }
        var left = [UInt8](repeating: 0, count: 1 << 17)
        var right = left
        var offset: off_t = 0
        while true {
            let count = pread(here.number, &left, left.count, offset)
            guard count >= 0, pread(there.number, &right, right.count, offset) == count else { return false }
            if offset == 0, !left[..<max(count, 0)].starts(with: [0x7f, 0x45, 0x4c, 0x46]) { return false }
            if count == 0 { return true }
            guard left[..<count] == right[..<count] else { return false }
            offset += off_t(count)
        }
    }
}
