"""Evolution's own IMAP engine, Camel's IMAPX, driven over its GObject bindings: a program that reads JSON commands, a line each.

    evolution.py PORT USER PASSWORD DIRECTORY USE_QRESYNC

Each answer is a line, too: ["ok", result] or ["error", text]. test_evolution.py starts it.
"""

import json
import sys
import threading
import time

import gi
gi.require_version('Camel', '1.2')
from gi.repository import Camel, GLib          # noqa: E402

FLAGS = {'seen': Camel.MessageFlags.SEEN, 'flagged': Camel.MessageFlags.FLAGGED, 'deleted': Camel.MessageFlags.DELETED,
         'answered': Camel.MessageFlags.ANSWERED, 'draft': Camel.MessageFlags.DRAFT}


class Session(Camel.Session):
    password = None

    def do_authenticate_sync(self, service, mechanism, cancellable):
        service.set_password(self.password)
        return service.authenticate_sync(mechanism, cancellable) == Camel.AuthenticationResult.ACCEPTED


class Client:
    def __init__(self, port, user, password, directory, qresync):
        Camel.init(directory, False)
        Camel.provider_init()
        self.session = Session(user_data_dir=directory + '/data', user_cache_dir=directory + '/cache')
        self.session.password = password
        self.session.set_online(True)
        self.store = self.session.add_service('account', 'imapx', Camel.ProviderType.STORE)
        settings = self.store.ref_settings()
        for name, value in {'host': '127.0.0.1', 'port': int(port), 'user': user, 'auth-mechanism': 'PLAIN',
                            'security-method': Camel.NetworkSecurityMethod.NONE, 'use-qresync': qresync == 'yes', 'use-idle': True}.items():
            settings.set_property(name, value)
        self.folders = {}

    def connect(self):
        self.store.set_online_sync(True, None)
        return self.store.connect_sync(None)

    def disconnect(self):
        self.folders = {}
        self.store.set_online_sync(False, None)

    def folder(self, name):
        if name not in self.folders:
            self.folders[name] = self.store.get_folder_sync(name, 0, None)
        return self.folders[name]

    def list(self):
        """Learns the folders; the name of the first. (Camel's list cannot be walked through the bindings.)"""
        return self.store.get_folder_info_sync(None, Camel.StoreGetFolderInfoFlags.RECURSIVE, None).full_name

    def create(self, parent, name):
        self.store.create_folder_sync(parent or None, name, None)

    def rename(self, old, new):
        self.folders.pop(old, None)
        self.store.rename_folder_sync(old, new, None)

    def delete(self, name):
        self.folders.pop(name, None)
        self.store.delete_folder_sync(name, None)

    def refresh(self, name):
        self.folder(name).refresh_info_sync(None)
        return self.shown(name)

    def shown(self, name):
        """What a user would see: UID → [subject, flags and keywords]."""
        folder = self.folder(name)
        out = {}
        for uid in folder.get_uids():
            info = folder.get_message_info(uid)
            if info is None:
                continue
            flags = info.get_flags()
            words = [n for n, f in FLAGS.items() if flags & f]
            keywords = info.dup_user_flags()
            words += [keywords.get(i) for i in range(keywords.get_length())] if keywords is not None else []
            out[uid] = [info.get_subject(), sorted(words)]
        return out

    def until(self, name, wanted, seconds):
        """Waits until the folder shows this, without asking the server: what it pushes arrives in other threads."""
        deadline = time.monotonic() + seconds
        while self.shown(name) != wanted:
            if time.monotonic() > deadline:
                raise AssertionError('%r is still %r' % (name, self.shown(name)))
            time.sleep(0.02)

    def flag(self, name, uid, word, on):
        info = self.folder(name).get_message_info(uid)
        if word in FLAGS:
            info.set_flags(FLAGS[word], FLAGS[word] if on else 0)
        else:
            info.set_user_flag(word, on)

    def save(self, name):
        self.folder(name).synchronize_sync(False, None)

    def expunge(self, name):
        self.folder(name).expunge_sync(None)

    def text(self, name, uid):
        """The whole message as the server sent it."""
        message = self.folder(name).get_message_sync(uid, None)
        stream = Camel.StreamMem.new()
        message.write_to_stream_sync(stream, None)
        return bytes(stream.get_byte_array()).decode('utf-8', 'surrogateescape')

    def append(self, name, text, word):
        stream = Camel.StreamMem.new()
        stream.write(text.encode(), None)
        stream.seek(0, GLib.SeekType.SET, None)
        message = Camel.MimeMessage.new()
        message.construct_from_stream_sync(stream, None)
        info = Camel.MessageInfo.new(None)
        info.set_flags(FLAGS[word], FLAGS[word])
        return self.folder(name).append_message_sync(message, info, None)[1]

    def transfer(self, name, uids, target, delete):
        self.folder(name).transfer_messages_to_sync(uids, self.folder(target), delete, None)

    def search(self, name, expression):
        return sorted(self.folder(name).search_by_expression(expression, None))


def serve(client, loop):
    for line in sys.stdin:
        name, *args = json.loads(line)
        try:
            answer = ['ok', getattr(client, name)(*args)]
        except Exception as e:      # whatever Camel says is the answer
            answer = ['error', '%s: %s' % (type(e).__name__, e)]
        print(json.dumps(answer), flush=True)
    loop.quit()


def main():
    loop = GLib.MainLoop()
    client = Client(*sys.argv[1:])
    threading.Thread(target=serve, args=(client, loop), daemon=True).start()
    loop.run()


main()
