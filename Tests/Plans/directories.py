"""A directory and a mailbox: two services that were chosen when the plan's rules stood already."""

import os
import subprocess

from proof import PATH, Service, run, shell, until


class Slapd(Service):
    """OpenLDAP: its data is a map in memory (LMDB), its back end and overlays are modules that its settings name."""

    name = "slapd"
    packages = ["slapd", "ldap-utils"]
    program = "slapd@%"
    clients = ["/usr/bin/ldapsearch", "/usr/bin/ldapmodify"]
    port = 53389
    data = "/var/lib/retinue-proof-ldap"
    settings = "/etc/ldap/retinue-proof.conf"
    isObserved = False

    def make(self):
        data, runtime = self.place(self.data), self.place("/run/retinue-proof-slapd")
        for folder in (data, runtime):
            run("install", "-d", "-o", "openldap", "-g", "openldap", "-m", "750", folder)
        limits = self.place("/etc/ldap/retinue-proof-access.conf")
        limits.write_text("access to attrs=userPassword by anonymous auth by * none\naccess to * by * read\n")
        settings = self.place(self.settings)
        settings.write_text("".join(f"include /etc/ldap/schema/{name}.schema\n" for name in ("core", "cosine", "inetorgperson"))
                            + f"pidfile {runtime}/slapd.pid\nargsfile {runtime}/slapd.args\nmodulepath /usr/lib/ldap\n"
                            "moduleload back_mdb\nmoduleload unique\ndatabase mdb\nsuffix \"dc=proof\"\n"
                            f"rootdn \"cn=admin,dc=proof\"\nrootpw proof\ndirectory {data}\nindex uid eq\n"
                            f"overlay unique\nunique_uri ldap:///?uid?sub\ninclude {limits}\n")
        run("chown", "root:openldap", settings)
        settings.chmod(0o640)

    def start(self):
        self.spawn("/usr/sbin/slapd", "-h", f"ldap://127.0.0.1:{self.port}/", "-u", "openldap", "-g", "openldap", "-f",
                   self.settings, "-d", "0")
        until(lambda: subprocess.run(["sh", "-c", self.ask("base")], capture_output=True, env=PATH).returncode in (0, 32), 20, 0.3)
        people = "dn: dc=proof\nobjectClass: dcObject\nobjectClass: organization\no: proof\ndc: proof\n\n" + "".join(
            f"dn: uid=user{n},dc=proof\nobjectClass: inetOrgPerson\nuid: user{n}\ncn: User {n}\nsn: {n}\nmail: user{n}@proof\n"
            f"userPassword: secret{n}\n\n" for n in range(500))
        self.modify(people, "-a")
        self.written = 0

    def modify(self, text, *options):
        subprocess.run(["ldapmodify", "-x", "-H", f"ldap://127.0.0.1:{self.port}", "-D", "cn=admin,dc=proof", "-w", "proof", *options],
                       input=text, text=True, stdout=subprocess.DEVNULL, env=PATH, check=True)

    def ask(self, scope="sub", who="cn=admin,dc=proof", password="proof"):
        return f"ldapsearch -x -LLL -H ldap://127.0.0.1:{self.port} -D {who} -w {password} -b dc=proof -s {scope}"

    def work(self):
        self.written += 1
        self.modify(f"dn: uid=user{self.written},dc=proof\nchangetype: modify\nadd: description\ndescription: changed\n")
        shell(f"{self.ask()} '(uid=user7)' >/dev/null")

    def observed(self):
        shell(f"{self.ask()} > {self.scratch}/original.ldif")
        self.isObserved = True

    @property
    def check(self):
        # A password as well: those are checked by the library of OpenSSL.
        line = f"{self.ask('sub', 'uid=user499,dc=proof', 'secret499')} '(uid=user499)' mail | grep -q '^mail: user499@proof$'"
        return line + (f" && {self.ask()} > {self.scratch}/copy.ldif && cmp {self.scratch}/copy.ldif {self.scratch}/original.ldif"
                       if self.isObserved else "")

    def look(self, checks, root):
        original, copy = ((self.scratch / name).read_bytes() if (self.scratch / name).exists() else b""
                          for name in ("original.ldif", "copy.ldif"))
        checks(original == copy and original.count(b"\ndn: ") == 500, "slapd: the copy's directory is the original's, byte by byte",
               f"{len(copy)} bytes, {copy.count(b'dn: ')} entries")


class Dovecot(Service):
    """An IMAP server: a dozen programs, each under a user of its own, that start one another when somebody logs in."""

    name = "dovecot"
    packages = ["dovecot-core", "dovecot-imapd"]
    program = "dovecot@%"
    clients = [os.path.realpath("/usr/bin/python3")]
    port = 58143
    mails = "/var/lib/retinue-proof-mail"
    messages = 30
    still = False

    def make(self):
        mails = self.place(self.mails)
        box = mails / "ada"
        for part in ("cur", "new", "tmp"):
            (box / part).mkdir(parents=True)
        for n in range(self.messages):
            (box / "cur" / f"{1700000000 + n}.M{n}.proof:2,S").write_text(
                f"From: bob@proof\nTo: ada@proof\nSubject: letter {n}\nMessage-ID: <{n}@proof>\n\nThis is letter {n}.\n")
        run("chown", "-R", "mail:mail", mails)
        settings = self.place("/etc/dovecot/retinue-proof")
        (settings / "conf.d").mkdir(parents=True)
        certificate, key = self.place("/etc/ssl/certs/retinue-proof-imap.pem"), self.place("/etc/ssl/private/retinue-proof-imap.key")
        run("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost", "-keyout", key,
            "-out", certificate)
        (settings / "users").write_text("ada:{SHA512-CRYPT}" + run("openssl", "passwd", "-6", "lovelace").strip() + "::::::\n")
        run("chown", "root:dovecot", settings / "users")
        (settings / "users").chmod(0o640)
        (settings / "dovecot.conf").write_text(
            f"base_dir = {self.place('/run/retinue-proof-dovecot')}\nprotocols = imap\nlisten = 127.0.0.1\nfirst_valid_uid = 1\n"
            f"mail_location = maildir:{mails}/%u\nlog_path = /dev/stderr\n!include conf.d/*.conf\n")
        (settings / "conf.d" / "10-auth.conf").write_text(
            f"passdb {{\n  driver = passwd-file\n  args = {settings}/users\n}}\n"
            f"userdb {{\n  driver = static\n  args = uid=mail gid=mail home={mails}/%u\n}}\n")
        (settings / "conf.d" / "10-imap.conf").write_text(
            f"ssl = required\nssl_cert = <{certificate}\nssl_key = <{key}\nservice imap-login {{\n  inet_listener imap {{\n"
            f"    port = 0\n  }}\n  inet_listener imaps {{\n    port = {self.port}\n    ssl = yes\n  }}\n}}\n")
        self.settings = settings / "dovecot.conf"

    def start(self):
        self.spawn("/usr/sbin/dovecot", "-F", "-c", self.settings)

    def ask(self, number):
        return ("/usr/bin/python3 -c 'import imaplib, ssl, sys\n"
                "context = ssl.create_default_context(cafile=\"/etc/ssl/certs/retinue-proof-imap.pem\")\n"
                f"box = imaplib.IMAP4_SSL(\"localhost\", {self.port}, ssl_context=context, timeout=5)\n"
                "box.login(\"ada\", \"lovelace\")\n"
                f"ok = box.select(\"INBOX\")[1] == [b\"{self.messages}\"]\n"
                "text = box.fetch(sys.argv[1], \"(BODY[TEXT])\")[1][0][1]\n"
                "box.store(sys.argv[1], \"+FLAGS\", \"\\\\Flagged\"); box.logout()\n"
                f"sys.exit(not ok or text.strip() != b\"This is letter %d.\" % (int(sys.argv[1]) - 1))' {number}")

    def work(self):
        shell(self.ask(3))

    @property
    def check(self):
        return self.ask(self.messages)
