// Swagger UI over the API's own description. Requests that change something carry the session's CSRF token.

const page = document.getElementById("docs");

window.SwaggerUIBundle({
  domNode: page,
  url: page.dataset.schema,
  deepLinking: true,
  presets: [window.SwaggerUIBundle.presets.apis],
  layout: "BaseLayout",
  validatorUrl: null,
  requestInterceptor: (request) => {
    if (request.method && request.method !== "GET") request.headers["X-CSRFToken"] = page.dataset.csrf;
    return request;
  },
});
