import Records
import TestSupport
import Testing

@testable import MoveGroup

/// The policy file: what is a rule, and what an error says.
@Suite("Boundary policy files")
struct PolicyFileTests {
    private static func policy(_ text: String) throws(PolicyError) -> BoundaryPolicy {
        try BoundaryPolicy(parsing: text, from: "my.policy")
    }

    @Test func rulesComeBeforeTheDefaultUnlessItIsLeftOut() throws {
        let text = """
            # nothing of ours starts there\r
            launcher   **/ours\tin user.slice/** # why

            \tfollow  file /var/log/app/**
            """
        let policy = try Self.policy(text)
        let standard = BoundaryPolicy.standard.rules
        #expect(policy.rules.count == standard.count + 2)
        #expect(policy.rules[0].text == "launcher **/ours in user.slice/**")
        #expect(policy.rules[0].origin == "my.policy, line 2" && !policy.rules[0].isFollowed)
        #expect(policy.rules[1].kind == .file && policy.rules[1].isFollowed)
        #expect(policy.rules[1].origin == "my.policy, line 4")
        #expect(policy.rules[2].text == standard[0].text && policy.rules[2].origin == "default policy")
        #expect(try Self.policy(text + "\nno default\n").rules.count == 2)
        #expect(try Self.policy("no default").rules.isEmpty)
        #expect(try Self.policy("").rules.count == standard.count)
    }

    @Test(arguments: [
        "launcher", "follow", "follow launcher", "follow follow launcher /a", "Launcher /a", "/a", "deny /a",
        "launcher /a in", "launcher /a in b c", "launcher /a in b or", "launcher /a or b",
        "launcher /a in b or c d", "file /a in b or c",
        "launcher /a in or b", "launcher /a on b", "launcher /a b", "file /a in b",
        "ipc unix:/a in b", "endpoint tcp:*:1 in b", "no", "no defaults", "no default please", "\0",
        "file\u{a0}/a",
    ])
    func errorNamesFileAndLine(line: String) throws {
        let error = #expect(throws: PolicyError.self) { try Self.policy("file /x\n\n\(line)\nfile /y\n") }
        #expect(error?.place == "my.policy, line 3" && error?.text == line)
        #expect(error?.description.hasPrefix("my.policy, line 3: '\(line)' is no rule") == true)
    }

    /// One rule for all the control groups in which it holds.
    @Test func controlGroupsAreAlternatives() throws {
        let policy = try Self.policy("launcher /up in none or a.slice/** or b.slice/c or or\nno default\n")
        #expect(
            policy.rules.count == 1
                && policy.rules[0].text == "launcher /up in none or a.slice/** or b.slice/c or or")
        for (workload, isStopped) in [
            ("", true), ("a.slice/x/y", true), ("b.slice/c", true), ("or", true), ("b.slice/d", false),
            ("a.slice", false),
            ("none", false),
        ] {
            let name = ProgramName(executable: Array("/up".utf8), workload: Array(workload.utf8))
            #expect((policy.rule(.launcher, for: name) != nil) == isStopped, "\(workload)")
        }
    }

    /// What the default policy prints is read again, and no rule stands in it twice.
    @Test func theDefaultPolicyIsOneOfItsFiles() throws {
        let again = try Self.policy(BoundaryPolicy.standardText + "\nno default\n").rules.map(\.text)
        #expect(again == BoundaryPolicy.standard.rules.map(\.text))
        let subjects = BoundaryPolicy.standard.rules.map { rule in
            "\(rule.kind) \(rule.isFollowed) "
                + rule.text.split(separator: " ").prefix(rule.isFollowed ? 3 : 2).joined()
        }
        // The shells of jobs and sessions stand beside login shells, each list under its own heading.
        let twice = Dictionary(grouping: subjects) { $0 }.filter { $0.value.count > 1 }.keys.sorted()
        #expect(twice == ["bash", "dash", "sh"].map { "launcher false launcher**/\($0)" })
    }

    @Test func hostileTextIsARuleOrAnError() {
        var random = SeededGenerator(seed: 3)
        let parts = [
            "launcher", "file", "follow", "in", "or", "none", " ", "\n", "\t", "#", "*", "**/", "?", "\0",
            "\u{301}",
            "😀", "\r\n", "/a", "no default", "\u{fffd}",
        ]
        for _ in 0..<400 {
            let count = Int.random(in: 0...20, using: &random)
            let text = (0..<count).map { _ in parts.randomElement(using: &random)! }.joined()
            do throws(PolicyError) {
                let policy = try Self.policy("no default\n" + text)
                #expect(policy.rules.count <= text.utf8.count)
            } catch {
                #expect(error.place.hasPrefix("my.policy, line "))
            }
        }
    }

    @Test func blankBeforeACombiningMarkIsABlank() throws {
        #expect(try Self.policy("file \u{301}a").rules[0].text == "file \u{301}a")
    }

    @Test func firstRuleOfAKindDecides() throws {
        let facts: [Fact] = [.spawn("/up/a", "/p"), .spawn("/up/b", "/p"), .spawn("/up/c", "/p")]
        var options = ClosureOptions()
        options.policy = try Self.policy(
            "no default\nsystem /none\nfollow launcher /up/b\nlauncher /up/?\nfollow launcher /up/c")
        let graph = join([HostDump("H", facts)])
        let group = graph.outcome(of: [.program("H", "/p")], options)
        #expect(group.members.count == 2 && group.members.contains(.program("H", "/up/b")))
        #expect(group.crossings.allSatisfy { $0.obstacle == .rule(2) })
    }

    @Test func globs() {
        func matches(_ pattern: String, _ text: String) -> Bool { Glob(pattern).matches(text.utf8) }
        #expect(matches("/a/*", "/a/b") && !matches("/a/*", "/a/b/c") && matches("/a/*", "/a/"))
        #expect(matches("/a/**", "/a/b/c") && matches("/a/**", "/a/") && !matches("/a/**", "/a"))
        #expect(matches("**/b", "b") && matches("**/b", "/b") && matches("**/b", "/a/b"))
        #expect(!matches("**/b", "/ab") && matches("/**/b", "/b") && !matches("/**/b", "b"))
        #expect(matches("/a/**/b", "/a/b") && matches("/a/**/b", "/a/x/y/b") && !matches("/a/**/b", "/a/xb"))
        #expect(
            matches("a?c", "abc") && matches("a?c", "aéc") && !matches("a?c", "a/c") && !matches("a?c", "ac"))
        #expect(matches("a**c", "a/b/c") && matches("***", "/a") && matches("", "") && !matches("", "a"))
        #expect(Glob("/?").matches([0x2f, 0xff]) && Glob("/*").matches([0x2f, 0xff, 0xfe]))
    }

    /// The short way of comparing names is that of the pattern.
    @Test(arguments: [
        "/x", "x", "/a/x", "/a/xx", "/xa/y", "/a/x/", "//x", "", "/", "/x/x", "/a\nb/x", "/a/b/x",
    ])
    func aNameBehindFoldersIsWhatTheGlobSays(path: String) throws {
        let rule = try #require(BoundaryRule("launcher **/x", origin: ""))
        #expect(rule.matches(Array(path.utf8)) == Glob("**/x").matches(path.utf8))
    }
}
