import CLinux
import Glibc
import Records
import SystemCalls

/// The folder of dumps: each written aside and renamed, `latest.ndjson` a link to the newest.
struct DumpFolder {
    let path: String

    /// Begins a dump: a file aside, to be filled and published.
    func begin() throws(SystemError) -> FileDescriptor {
        let aside = path + "/.dump.tmp"
        unlink(aside)
        return try FileDescriptor.open(aside, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, mode: 0o600)
    }

    /// Gives the file that was begun its name, once it is on the disk, and makes `latest.ndjson` name it.
    ///
    /// - Parameters:
    ///   - time: when it was asked for, nanoseconds since 1970; names the file.
    ///   - keep: how many dumps may stay.
    /// - Returns: path of the dump.
    @discardableResult
    func publish(
        _ file: borrowing FileDescriptor, time: UInt64, keep: Int
    ) throws(SystemError) -> String {
        let aside = path + "/.dump.tmp"
        do throws(SystemError) {
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

    /// Throws away what was begun.
    func abandon() { unlink(path + "/.dump.tmp") }

    private func move(_ aside: String, to name: String) throws(SystemError) {
        do throws(SystemError) {
            _ = try systemCall("rename") { rename(aside, "\(path)/\(name)") }
        } catch {
            unlink(aside)
            throw error
        }
    }

    /// A file without a name, for a client to read.
    func nameless() throws(SystemError) -> FileDescriptor {
        let aside = path + "/.client.tmp"
        unlink(aside)
        let file = try FileDescriptor.open(aside, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, mode: 0o600)
        unlink(aside)
        return file
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
