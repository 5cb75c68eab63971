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
        "launcher /a in", "launcher /a in b c", "launcher /a on b", "launcher /a b", "file /a in b",
        "ipc unix:/a in b", "endpoint tcp:*:1 in b", "no", "no defaults", "no default please", "\0",
        "file\u{a0}/a",
    ])
    func errorNamesFileAndLine(line: String) throws {
        let error = #expect(throws: PolicyError.self) { try Self.policy("file /x\n\n\(line)\nfile /y\n") }
        #expect(error?.place == "my.policy, line 3" && error?.text == line)
        #expect(error?.description.hasPrefix("my.policy, line 3: '\(line)' is no rule") == true)
    }

    @Test func hostileTextIsARuleOrAnError() {
        var random = SeededGenerator(seed: 3)
        let parts = [
            "launcher", "file", "follow", "in", "none", " ", "\n", "\t", "#", "*", "**/", "?", "\0",
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
