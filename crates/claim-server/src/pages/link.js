// What stands behind # in a link is its secret: browsers send it to nobody, so it is in no log of a
// server or proxy. This sends it once, in a body, whatever the page shows: it may be another
// link's. JavaScript because nothing else reads what stands behind #; without it it is pasted by
// hand.
'use strict';
{
  const secret = location.hash.slice(1);
  // A page that is opened already, and gets another link.
  addEventListener('hashchange', () => location.reload());
  if (secret) {
    history.replaceState(null, '', location.pathname);
    const form = Object.assign(document.createElement('form'), { method: 'post', action: location.pathname, hidden: true });
    form.append(Object.assign(document.createElement('input'), { name: 'secret', value: secret }));
    document.body.append(form);
    form.submit();
  }
}
