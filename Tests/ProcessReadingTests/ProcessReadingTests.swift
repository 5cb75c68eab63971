import Glibc
import ProcessReading
import Procfs
import Records
import Testing

/// What is read of a process, and what is not shown of it.
@Suite struct ProcessReadingTests {
    private struct Missing: Error {}

    private func texts(_ all: [[UInt8]]) -> [String] { all.map { String(decoding: $0, as: UTF8.self) } }
    private func bytes(_ all: [String]) -> [[UInt8]] { all.map { Array($0.utf8) } }

    @Test func readsThisProcess() throws {
        guard let process = ProcessDirectory(getpid()) else { throw Missing() }
        let names = AccountNames.ofThisMachine()
        guard let settings = ProcessSettings(process, names) else { throw Missing() }
        #expect(settings.user == .init(geteuid(), name: geteuid() == 0 ? "root" : names.user(geteuid())))
        #expect(settings.group?.number == getegid())
        #expect(settings.capabilities.count == 16)
        var limit = rlimit()
        getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        let files = try #require(settings.limits.first { $0.resource == "nofile" })
        #expect(files.soft == (limit.rlim_cur == rlim_t.max ? nil : UInt64(limit.rlim_cur)))
        #expect(files.hard == (limit.rlim_max == rlim_t.max ? nil : UInt64(limit.rlim_max)))
        let folder = try #require(getcwd(nil, 0))
        defer { free(folder) }
        #expect(settings.folder == Array(String(cString: folder).utf8))
        #expect(!settings.isCut)
        #expect(settings.namespaces.isEmpty)
        let foreign = ProcessSettings(process, names, isOwnNamespace: { kind, _ in kind != "net" })
        #expect(foreign?.namespaces.map(\.key) == ["net"])
    }

    @Test func aProcessThatIsGoneIsNone() throws {
        let pid = endedChild()
        guard let process = ProcessDirectory(pid) else { throw Missing() }
        // A zombie has nothing of this any more, and then there is none at all.
        let names = AccountNames(passwd: [], group: [])
        let ofAZombie = ProcessSettings(process, names)
        waitpid(pid, nil, 0)
        let ofNone = ProcessSettings(process, names)
        #expect(ofAZombie == nil && ofNone == nil)
    }

    private func endedChild() -> pid_t {
        var pid: pid_t = 0
        let arguments: [UnsafeMutablePointer<CChar>?] = [strdup("true"), nil]
        posix_spawn(&pid, "/bin/true", nil, nil, arguments, nil)
        free(arguments[0])
        var information = siginfo_t()
        waitid(P_PID, id_t(pid), &information, Int32(WEXITED | WNOWAIT))
        return pid
    }

    @Test func accountsByTheirTexts() {
        let names = AccountNames(
            passwd: Array(
                "root:x:0:0::/root:/bin/sh\nweb:x:33:33\ntoo:few\nalso:x:33:33:::\nbad:x:-1:0:::\n".utf8),
            group: Array("adm:x:4:\n\u{e9}:x:99999999999:\nlast:x:7:a,b".utf8))
        #expect([names.user(0), names.user(33), names.user(1)] == ["root", "web", ""])
        #expect([names.group(4), names.group(7), names.group(33)] == ["adm", "last", ""])
    }

    @Test(arguments: [
        (["python3", "-c", "print(1)", "x"], ["python3", "-c", "[redacted]", "x"]),
        (["bash", "-lc", "export KEY=1; run"], ["bash", "-lc", "[redacted]"]),
        (["/bin/sh", "-ec", "run"], ["/bin/sh", "-ec", "[redacted]"]),
        (["perl", "-e'print 1'"], ["perl", "[redacted]"]),
        (["node", "--eval=f(1)"], ["node", "[redacted]"]),
        (["node", "--max-old-space-size=100", "a.js"], ["node", "--max-old-space-size=100", "a.js"]),
        (["mysql", "-psecret", "-h", "db"], ["mysql", "-p[redacted]", "-h", "db"]),
        (["mariadbd", "-p"], ["mariadbd", "-p"]),
        (["sshpass", "-p", "secret", "ssh"], ["sshpass", "-p", "[redacted]", "ssh"]),
        (["ssh", "-p22"], ["ssh", "-p22"]),
        (
            ["a", "--password", "x", "--token=y", "z"],
            ["a", "--password", "[redacted]", "--token=[redacted]", "z"]
        ),
        (["a", "redis://u:p@ss@h:1/0"], ["a", "redis://u:[redacted]@h:1/0"]),
        (["a", "http://h/a:b@c"], ["a", "http://h/a:b@c"]),
        (["postgres", "-c", "config_file=/etc/p.conf"], ["postgres", "-c", "config_file=/etc/p.conf"]),
        (["a", "/etc/ssl/private/key.pem"], ["a", "/etc/ssl/private/key.pem"]),
    ])
    func whatLooksLikeASecretIsNotShown(arguments: [String], shown: [String]) {
        #expect(texts(Redaction.arguments(bytes(arguments))) == shown)
    }

    @Test func limitsAsTheKernelShowsThem() {
        let text = """
            Limit                     Soft Limit           Hard Limit           Units     
            Max cpu time              unlimited            unlimited            seconds   
            Max core file size        0                    unlimited            bytes     
            Max open files            1024                 524288               files     
            Max nice priority         0                    0                    
            Max shoe size             44                   45                   
            Max file locks            x                    1                    locks     
            Max msgqueue size
            """
        #expect(
            ResourceLimit.parse(Array(text.utf8)) == [
                ResourceLimit(resource: "core", soft: 0, hard: nil),
                ResourceLimit(resource: "nofile", soft: 1024, hard: 524288),
                ResourceLimit(resource: "nice", soft: 0, hard: 0),
            ])
    }

    @Test func credentialsNeedAllTheirLines() {
        let lines = ["Uid:\t1\t2\t3\t4", "Gid:\t5\t6\t7\t8", "Groups:\t9 10 ", "CapEff:\t00000000a80425fb"]
        let whole = ProcessCredentials(parsing: Array(lines.joined(separator: "\n").utf8))
        #expect(whole?.user == 2 && whole?.group == 6 && whole?.groups == [9, 10])
        #expect(whole?.capabilities == "00000000a80425fb")
        for index in lines.indices {
            var others = lines
            others.remove(at: index)
            #expect(ProcessCredentials(parsing: Array(others.joined(separator: "\n").utf8)) == nil)
        }
        // A name of a process may look like a line; it is on one of its own, with its newline escaped.
        #expect(ProcessCredentials(parsing: Array("Name:\tUid:\t0\t0".utf8)) == nil)
    }
}
