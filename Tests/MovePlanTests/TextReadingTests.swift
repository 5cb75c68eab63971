import Records
import TestSupport
import Testing

@testable import MovePlan

/// What is read of texts that others wrote.
@Suite struct TextReadingTests {
    private func bytes(_ texts: [String]) -> [[UInt8]] { texts.map { Array($0.utf8) } }
    private func texts(_ words: [[UInt8]]) -> [String] { words.map { String(decoding: $0, as: UTF8.self) } }

    @Test(arguments: [
        (["bash", "-c", "rm -rf $X", "x"], ["bash", "-c", "[redacted]", "x"]),
        (["python3.11", "-c", "pass"], ["python3.11", "-c", "[redacted]"]),
        (["postgres", "-c", "config_file=/etc/x"], ["postgres", "-c", "config_file=/etc/x"]),
        (["psql", "-c", "SELECT secret"], ["psql", "-c", "[redacted]"]),
        (["app", "--password=hunter2", "--port=1"], ["app", "--password=[redacted]", "--port=1"]),
        (["app", "--db-pass", "hunter2", "x"], ["app", "--db-pass", "[redacted]", "x"]),
        (["app", "API_TOKEN=1"], ["app", "API_TOKEN=[redacted]"]),
        (["app", "postgres://u:hunter2@h/db"], ["app", "postgres://u:[redacted]@h/db"]),
        (["app", "/etc/passwords"], ["app", "/etc/passwords"]),
        (["app", "-c"], ["app", "-c"]),
        ([], []),
    ])
    func argumentsWithoutSecrets(_ arguments: [String], _ shown: [String]) {
        #expect(texts(Redaction.arguments(bytes(arguments))) == shown)
    }

    @Test func environmentByName() {
        let all = ["PATH=/bin", "AWS_SECRET=x", "LC_ALL=C", "=x", "nothing", "PGPASSWORD=x", "HOME=/root"]
        #expect(
            texts(Redaction.environment(bytes(all))) == [
                "PATH=/bin", "AWS_SECRET", "LC_ALL=C", "PGPASSWORD", "HOME=/root",
            ])
    }

    @Test(arguments: [
        ("open('/etc/a.conf') # /srv/b.", ["/etc/a.conf", "/srv/b"]),
        ("url = http://host/path and a/b and ./c", []),
        ("x=/a/b,/c:/d \"/e f\"", ["/a/b", "/c", "/d", "/e"]),
        ("/ // /a/ /a", ["/a"]),
        ("", []),
    ])
    func pathsInTexts(_ text: String, _ paths: [String]) {
        #expect(texts(NamedPaths.paths(in: Array(text.utf8))) == paths)
    }

    @Test func anyBytes() {
        var random = SeededGenerator(seed: 11)
        let pieces =
            bytes([
                "/", "a", "\"", "\\", "execve(\"/x\"", " = -1 ENOENT", "7 ", "<", ">", "\n", "/..", "\u{0}",
                "\\777", "...",
            ]) + [[0xff]]
        for _ in 0..<3000 {
            let text = (0..<Int.random(in: 0..<40, using: &random)).flatMap { _ in
                pieces.randomElement(using: &random)!
            }
            for path in NamedPaths.paths(in: text) { #expect(path.first == UInt8(ascii: "/")) }
            for path in FailedLookups(text, root: []).paths.keys { #expect(path.first == UInt8(ascii: "/")) }
            _ = Redaction.arguments(text.split(separator: 0).map(Array.init))
            _ = ServiceFiles.settings(text)
        }
    }

    @Test func lookupsThatFailed() {
        let log = """
            7     execve("/usr/bin/app", ["app"], 0x7ffd /* 3 vars */) = 0
            7     openat(AT_FDCWD</try/root/srv>, "conf", O_RDONLY) = -1 ENOENT (No such file or directory)
            7     openat(AT_FDCWD</try/root/srv>, "/etc/there", O_RDONLY) = 3</try/root/etc/there>
            7     openat(4</try/root/etc>, "a\\"b\\303\\244", O_RDONLY) = -1 ENOENT (No such file or directory)
            8     stat("/etc/\\177long"..., 0x7ffd) = -1 ENOENT (No such file or directory)
            8     newfstatat(AT_FDCWD</home>, "outside", 0x7ffd, 0) = -1 ENOENT (No such file or directory)
            8     readlink("/opt/x", 0x7ffd, 4095) = -1 ENOENT (No such file or directory)
            8     access("/opt/y", F_OK) = -1 EACCES (Permission denied)
            """
        let found = FailedLookups(Array(log.utf8), root: Array("/try/root".utf8)).paths
        let shown = found.map { "\(PlanText.text($0.key)) by \(PlanText.text($0.value))" }.sorted()
        #expect(
            shown == [
                "/etc/a\"bä by /usr/bin/app", "/opt/x by ", "/srv/conf by /usr/bin/app",
            ])
    }

    @Test(arguments: [
        ("/srv/app.pid", "make-anew"), ("/var/run/x", "make-anew"), ("/proc/1/maps", "leave"),
        ("/etc/passwd", "leave"),
        ("/etc/passwd-", nil), ("/srv/pid", nil), ("/etc/ssh/ssh_host_rsa_key", "leave"),
        ("/etc/ssh/ssh_host/x", nil),
    ])
    func rulesOfWhatStays(_ path: String, _ treatment: String?) {
        #expect(StayBehind.rule(for: Array(path.utf8))?.treatment.rawValue == treatment)
    }
}
