import TestSupport
import Testing

/// The reader of traces, on lines that strace 6.1 really wrote (paths here in plain text and not in hex,
/// which it reads as well).
@Suite("strace parser")
struct StraceParserTests {
    private func calls(_ trace: String) -> [TracedCall] {
        StraceParser(trace.utf8).events.compactMap { event in
            if case .call(let call) = event { call } else { nil }
        }
    }

    @Test func readsAnOpen() throws {
        let call = try #require(
            calls(#"8016  openat(AT_FDCWD</tmp>, "/etc/hosts", O_RDONLY|O_CLOEXEC) = 3</etc/hosts>"#).first)
        #expect(call.thread == 8016)
        #expect(call.name == "openat")
        #expect(call.result == 3)
        #expect(call.resultNote == Array("/etc/hosts".utf8))
        #expect(call.error == nil)
        #expect(call.arguments.count == 3)
        #expect(StraceText.note(call.arguments[0]) == Array("/tmp".utf8))
        #expect(StraceText.string(call.arguments[1]) == Array("/etc/hosts".utf8))
    }

    @Test func readsAnError() throws {
        let call = try #require(
            calls(#"8  openat(AT_FDCWD</>, "x", O_RDONLY) = -1 ENOENT (No such file or directory)"#).first)
        #expect(call.result == -1)
        #expect(call.error == "ENOENT")
    }

    @Test func joinsCallsThatWereInterrupted() {
        let calls = calls(
            #"""
            1 openat(AT_FDCWD</>, "a, (b", O_RDONLY <unfinished ...>
            2 openat(AT_FDCWD</>, "c", O_RDONLY <unfinished ...>
            1 <... openat resumed>)             = 3</a, (b>
            2 <... openat resumed>)             = -1 EACCES (Permission denied)
            1 --- SIGCHLD {si_signo=SIGCHLD, si_code=CLD_EXITED, si_pid=2, si_uid=0, si_status=0} ---
            """#)
        #expect(calls.map(\.thread) == [1, 2])
        #expect(calls.map(\.begin) == [0, 1])
        #expect(calls.map(\.end) == [2, 3])
        #expect(calls.first.flatMap { StraceText.string($0.arguments[1]) } == Array("a, (b".utf8))
        #expect(calls.last?.error == "EACCES")
    }

    @Test func readsEndsAndSupersededThreads() {
        let parser = StraceParser(
            #"""
            7 execve("/bin/true", ["true"], 0x7ffe /* 3 vars */ <unfinished ...>
            5 +++ superseded by execve in pid 7 +++
            5 <... execve resumed>) = 0
            5 +++ exited with 0 +++
            6 +++ killed by SIGKILL +++
            """#.utf8)
        #expect(parser.notUnderstood.isEmpty)
        #expect(parser.events.count == 4)
        #expect(parser.events[0] == .superseded(thread: 5, by: 7, line: 1))
        guard case .call(let exec) = parser.events[1] else {
            Issue.record("no exec")
            return
        }
        #expect(exec.thread == 5)
        #expect(exec.result == 0)
        #expect(StraceText.strings(exec.arguments[1]) == [Array("true".utf8)])
        #expect(parser.events[2] == .ended(thread: 5, line: 3))
        #expect(parser.events[3] == .ended(thread: 6, line: 4))
    }

    @Test func readsEscapes() {
        #expect(StraceText.unescape(#"\x62\x61\xff"#.utf8) == [0x62, 0x61, 0xff])
        #expect(StraceText.unescape(#"a\n\t\"\\\033b\0"#.utf8) == [97, 10, 9, 34, 92, 27, 98, 0])
        #expect(StraceText.string(#""\x3c\x3e"..."#.utf8) == Array("<>".utf8))
    }

    @Test func readsNotesOfSocketsAndDevices() {
        #expect(StraceText.note("3</dev/null<char 1:3>>".utf8) == Array("/dev/null<char 1:3>".utf8))
        #expect(
            StraceText.note("6<TCP:[127.0.0.1:80->127.0.0.1:44902]>".utf8)
                == Array("TCP:[127.0.0.1:80->127.0.0.1:44902]".utf8))
        #expect(StraceText.note("3</gone>(deleted)".utf8) == Array("/gone".utf8))
        #expect(StraceText.note("0".utf8) == nil)
    }

    @Test func splitsStructures() throws {
        let call = try #require(
            calls(
                "9 accept4(4<TCP:[127.0.0.1:80]>, {sa_family=AF_INET, sin_port=htons(44902), "
                    + "sin_addr=inet_addr(\"127.0.0.1\")}, [112 => 16], SOCK_CLOEXEC) = "
                    + "6<TCP:[127.0.0.1:80->127.0.0.1:44902]>"
            ).first)
        #expect(call.arguments.count == 4)
        #expect(
            SocketText.endpoint(structure: call.arguments[1])
                == Dump.Address(address: "127.0.0.1", port: 44902))
        let note = try #require(call.resultNote)
        #expect(SocketText.localEndpoint(note: note) == Dump.Address(address: "127.0.0.1", port: 80))
    }

    @Test func readsAddressesOfVersion6() {
        let structure =
            "{sa_family=AF_INET6, sin6_port=htons(40361), sin6_flowinfo=htonl(0), "
            + "inet_pton(AF_INET6, \"::1\", &sin6_addr), sin6_scope_id=0}"
        #expect(
            SocketText.endpoint(structure: Array(structure.utf8)) == Dump.Address(address: "::1", port: 40361)
        )
        #expect(
            SocketText.localEndpoint(note: Array("TCPv6:[[::1]:40361->[::1]:51944]".utf8))
                == Dump.Address(address: "::1", port: 40361))
    }

    @Test func tellsWhatItDoesNotUnderstand() {
        #expect(StraceParser("nonsense\n1 <... openat resumed>) = 3\n".utf8).notUnderstood.count == 2)
    }
}
