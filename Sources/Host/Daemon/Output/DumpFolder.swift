import CLinux
import Glibc
import Records
import SystemCalls

/// The folder of dumps: each written aside and renamed, `latest.ndjson` a link to the newest.
///
/// It is held open, and everything happens relative to it: a folder or link that is put in its place later gets
/// nothing written and loses nothing.
final class DumpFolder {
    let path: String
    private var folder: FileDescriptor

    /// Opens the folder, which only the daemon's user may be able to write in, and makes it if it is missing.
    init(path: String) throws(StartError) {
        folder = try StateFolder.open(path)
        self.path = path
    }

    /// Opens the folder again if it was removed; what has its place now is checked as at the start.
    private func renew() throws(SystemError) {
        var status = stat()
        guard fstat(folder.number, &status) == 0, status.st_nlink == 0 else { return }
        do throws(FolderWalk.Refusal) {
            folder = try StateFolder.openPrivate(path)
        } catch {
            throw SystemError("open", code: error.code)
        }
    }

    /// Writes a dump and makes `latest.ndjson` name it.
    ///
    /// - Parameters:
    ///   - time: when it was asked for, nanoseconds since 1970; names the file.
    ///   - keep: how many dumps may stay.
    /// - Returns: path of the dump.
    @discardableResult
    func write(
        _ ledger: borrowing Ledger, _ header: DumpHeader, time: UInt64, keep: Int
    ) throws(SystemError) -> String {
        try renew()
        let number = folder.number
        let aside = ".dump.tmp"
        unlinkat(number, aside, 0)
        let file = try folder.openRelative(aside, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, mode: 0o600)
        do throws(SystemError) {
            var writeOut = WriteOut(file)
            try Self.fill(file, ledger, header) { end throws(SystemError) in try writeOut.advance(to: end) }
            let number = file.number
            _ = try systemCall("fdatasync") { fdatasync(number) }
        } catch {
            unlinkat(number, aside, 0)
            throw error
        }
        let name = freeName(time)
        try move(aside, to: name)
        let link = ".latest.tmp"
        unlinkat(number, link, 0)
        _ = try systemCall("symlinkat") { symlinkat(name, number, link) }
        try move(link, to: "latest.ndjson")
        prune(keep, sparing: name)
        return "\(path)/\(name)"
    }

    private func move(_ aside: String, to name: String) throws(SystemError) {
        let number = folder.number
        do throws(SystemError) {
            _ = try systemCall("renameat") { renameat(number, aside, number, name) }
        } catch {
            unlinkat(number, aside, 0)
            throw error
        }
    }

    /// A whole dump in a file without a name, for a client to read.
    ///
    /// It lies on the disk, whose cache gives way where memory is short, and in memory where the disk takes
    /// nothing: a daemon on a full or read-only disk can still be asked.
    func writeNameless(
        _ ledger: borrowing Ledger, _ header: DumpHeader
    ) throws(SystemError) -> FileDescriptor {
        // It is read at once, and gone after that: nothing is put onto the disk on purpose.
        do throws(SystemError) {
            try renew()
            let aside = ".client.tmp"
            unlinkat(folder.number, aside, 0)
            let file = try folder.openRelative(aside, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, mode: 0o600)
            unlinkat(folder.number, aside, 0)
            try Self.fill(file, ledger, header) { _ throws(SystemError) in }
            return file
        } catch {
            return try Self.writeInMemory(ledger, header)
        }
    }

    /// A whole dump in a file that needs no disk (memfd_create(2), since Linux 3.17).
    static func writeInMemory(
        _ ledger: borrowing Ledger, _ header: DumpHeader
    ) throws(SystemError) -> FileDescriptor {
        let file = FileDescriptor(
            owning: try systemCall("memfd_create") { memfd_create("retinue-dump", UInt32(MFD_CLOEXEC)) })
        try fill(file, ledger, header) { _ throws(SystemError) in }
        return file
    }

    /// Writes a dump; `written` is told how many bytes the file has after each piece.
    private static func fill(
        _ file: borrowing FileDescriptor, _ ledger: borrowing Ledger, _ header: DumpHeader,
        written: (Int) throws(SystemError) -> Void
    ) throws(SystemError) {
        let number = file.number
        var end = 0
        try ledger.writeNDJSON(header: header) { (bytes: UnsafeRawBufferPointer) throws(SystemError) in
            var offset = 0
            while offset < bytes.count {
                offset += try systemCall("write") {
                    Glibc.write(number, bytes.baseAddress! + offset, bytes.count - offset)
                }
            }
            end += bytes.count
            try written(end)
        }
    }

    /// `20261121T020000.123Z.ndjson`: sorts by time, and no colon troubles a shell or an archive.
    private func freeName(_ time: UInt64) -> String {
        let stamp = Timestamp.compactText(time)
        var name = stamp + ".ndjson"
        var number = 1
        var status = stat()
        // A link that leads nowhere has the name as well.
        while fstatat(folder.number, name, &status, AT_SYMLINK_NOFOLLOW) == 0 {
            number += 1
            // '~' sorts behind '.', so that a second dump of one millisecond sorts behind the first.
            name = "\(stamp)~\(number).ndjson"
        }
        return name
    }

    /// Removes the oldest dumps beyond `keep`, by their names, but never the one just made: after the
    /// clock was set back its name sorts before older ones.
    private func prune(_ keep: Int, sparing newest: String) {
        // A descriptor of its own, which closedir closes.
        guard let listed = try? folder.openRelative(".", O_RDONLY | O_DIRECTORY) else { return }
        guard let stream = fdopendir(listed.release()) else { return }
        var names: [String] = []
        while let entry = readdir(stream) {
            let name = withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
                String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            let isDump = name.hasSuffix(".ndjson") && name.first?.isNumber == true
            if isDump, name != newest { names.append(name) }
        }
        closedir(stream)
        for name in names.sorted().dropLast(max(keep, 1) - 1) { unlinkat(folder.number, name, 0) }
    }
}
