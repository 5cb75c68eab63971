import CLinux
import Glibc
import Records
import SystemCalls

/// The folder of dumps: each written aside and renamed, `latest.ndjson` a link to the newest.
struct DumpFolder {
    let path: String

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
        let aside = path + "/.dump.tmp"
        unlink(aside)
        let file = try FileDescriptor.open(aside, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, mode: 0o600)
        do throws(SystemError) {
            var writeOut = WriteOut(file)
            try Self.fill(file, ledger, header) { end throws(SystemError) in try writeOut.advance(to: end) }
            let number = file.number
            _ = try systemCall("fdatasync") { fdatasync(number) }
        } catch {
            unlink(aside)
            throw error
        }
        let name = freeName(time)
        try move(aside, to: name)
        let link = path + "/.latest.tmp"
        unlink(link)
        _ = try systemCall("symlink") { symlink(name, link) }
        try move(link, to: "latest.ndjson")
        prune(keep, sparing: name)
        return "\(path)/\(name)"
    }

    private func move(_ aside: String, to name: String) throws(SystemError) {
        do throws(SystemError) {
            _ = try systemCall("rename") { rename(aside, "\(path)/\(name)") }
        } catch {
            unlink(aside)
            throw error
        }
    }

    /// A whole dump in a file without a name, for a client to read.
    func writeNameless(
        _ ledger: borrowing Ledger, _ header: DumpHeader
    ) throws(SystemError) -> FileDescriptor {
        let aside = path + "/.client.tmp"
        unlink(aside)
        let file = try FileDescriptor.open(aside, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, mode: 0o600)
        unlink(aside)
        // It stays in memory: it is read at once, and gone after that.
        try Self.fill(file, ledger, header) { _ throws(SystemError) in }
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
        while access("\(path)/\(name)", F_OK) == 0 {
            number += 1
            // '~' sorts behind '.', so that a second dump of one millisecond sorts behind the first.
            name = "\(stamp)~\(number).ndjson"
        }
        return name
    }

    /// Removes the oldest dumps beyond `keep`, by their names, but never the one just made: after the
    /// clock was set back its name sorts before older ones.
    private func prune(_ keep: Int, sparing newest: String) {
        guard let stream = opendir(path) else { return }
        var names: [String] = []
        while let entry = readdir(stream) {
            let name = withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
                String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            let isDump = name.hasSuffix(".ndjson") && name.first?.isNumber == true
            if isDump, name != newest { names.append(name) }
        }
        closedir(stream)
        for name in names.sorted().dropLast(max(keep, 1) - 1) { unlink("\(path)/\(name)") }
    }
}
